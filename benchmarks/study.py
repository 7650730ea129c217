"""The study that the training benchmarks share: 50 simulated photographs of the size of Drishti-GS1's, and
the configuration `experiment=standard`."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arc_core.config import ArcConfig, load_config
from arc_core.data.manifest import Dataset
from arc_core.data.source import open_dataset
from arc_core.data.splits import make_split
from arc_core.settings import load_settings
from arc_core.training.plan import TrainingPlan, compile_plan

CASES, SIZE_PX = 50, 512
STANDARD = (
    "experiment=standard",
    f"data.synthetic.cases={CASES}",
    f"data.synthetic.image_size_px={SIZE_PX}",
)
SETTINGS = load_settings(_env_file=None)


@contextmanager
def scratch() -> Iterator[Path]:
    """An empty folder, and an environment without the user's ARC settings."""
    for name in [name for name in os.environ if name.startswith("ARC_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        os.environ["ARC_HOME"] = f"{folder}/home"
        yield Path(folder)


def configured(*overrides: str, data: Path | None = None) -> ArcConfig:
    """`experiment=standard`, on simulated photographs unless `data` names a folder."""
    given = (*STANDARD, *overrides) if data is None else ("experiment=standard", *overrides)
    return load_config(given, data=None if data is None else str(data), settings=SETTINGS)


def opened(config: ArcConfig, folder: Path) -> Dataset:
    """The photographs, drawn into the folder where they are simulated."""
    return open_dataset(config.data, config.task, folder)


def plan_in(
    run_dir: Path, config: ArcConfig, dataset: Dataset, gpu_ids: tuple[int, ...] = ()
) -> TrainingPlan:
    """One experiment of the study, its file written where the worker reads it."""
    plan = compile_plan(
        config.spec,
        experiment_id=run_dir.name,
        study_id="benchmark",
        dataset=dataset,
        split=make_split(dataset, config.data.folds, config.data.split_seed, config.data.split_by),
        run_dir=run_dir,
        launch=config.launch,
        batch_size_per_gpu=SETTINGS.batch_size_per_gpu,
        gpu_ids=gpu_ids,
    )
    run_dir.mkdir(parents=True, exist_ok=True)
    plan.path.write_text(plan.model_dump_json())
    return plan
