"""Small studies on simulated images, and one training that several tests look at."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from arc_core.data.manifest import Dataset, read_dataset
from arc_core.data.splits import make_split
from arc_core.data.synthetic import SyntheticConfig, generate
from arc_core.experiments.spec import parse_spec
from arc_core.training.child import Start, start_cold
from arc_core.training.launch import LaunchConfig
from arc_core.training.plan import TrainingPlan, compile_plan
from arc_core.training.process import run_worker
from arc_core.training.warm import WarmStart, _servers

Planner = Callable[..., TrainingPlan]

SEGMENTATION = {
    "task": "segmentation",
    "architecture": {"name": "unet", "width": 8, "depth": 3},
    "image_size_px": 32,
    "loss": {"name": "dice_ce", "params": {}},
    "augmentation": {"rotation_deg": 10, "noise_sigma": 0.01},
    "optimiser": {"name": "adamw", "lr": 1e-3},
    "epochs": 3,
    "batch_size": 4,
}
CLASSIFICATION = {
    **SEGMENTATION,
    "task": "classification",
    "architecture": {"name": "resnet", "width": 8, "depth": 3},
    "loss": {"name": "weighted_bce", "params": {}},
}


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data") / "simulated"
    generate(SyntheticConfig(cases=20, image_size_px=64), root)
    return root


@pytest.fixture(scope="session")
def datasets(photographs: Path) -> dict[str, Dataset]:
    return {task: read_dataset(photographs, task) for task in ("segmentation", "classification")}


@pytest.fixture(scope="session")
def planner(datasets: dict[str, Dataset]) -> Planner:
    def make(
        run_dir: Path,
        task: str = "segmentation",
        *,
        launch: LaunchConfig = LaunchConfig(),  # noqa: B008  # frozen
        gpu_ids: tuple[int, ...] = (),
        enable_deepspeed: bool | None = None,
        batch_size_per_gpu: int = 16,
        **changes: object,
    ) -> TrainingPlan:
        """A plan of two folds; `changes` name fields of the spec, with __ for a dot."""
        tree = SEGMENTATION if task == "segmentation" else CLASSIFICATION
        spec = parse_spec(tree).changed({path.replace("__", "."): value for path, value in changes.items()})
        return compile_plan(
            spec,
            experiment_id="exp-1",
            study_id="study-1",
            dataset=datasets[task],
            split=make_split(datasets[task], folds=2, seed=0),
            run_dir=run_dir,
            launch=launch,
            batch_size_per_gpu=batch_size_per_gpu,
            gpu_ids=gpu_ids,
            enable_deepspeed=enable_deepspeed,
        )

    return make


@pytest.fixture(scope="session")
def classified(planner: Planner, tmp_path_factory: pytest.TempPathFactory) -> TrainingPlan:
    """A finished classification of images that have masks. Copy its folder to change it."""
    plan = planner(tmp_path_factory.mktemp("runs") / "exp-2", "classification", image_size_px=64)
    run_worker(plan, on_event=lambda event: None)
    return plan


@pytest.fixture(scope="session")
def trained(planner: Planner, tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingPlan, list[dict]]:
    """A finished segmentation experiment, with the events it sent. Copy its folder to change it."""
    plan = planner(tmp_path_factory.mktemp("runs") / "exp-1")
    events: list[dict] = []
    run_worker(plan, on_event=events.append)
    return plan, events


@pytest.fixture
def one_quiet_thread() -> Iterator[None]:
    """For trainings within the tests' own process."""
    import torch

    from arc_core.training.fitting import quieten_lightning

    quieten_lightning()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)  # Lightning leaves it switched on


@pytest.fixture(scope="session", autouse=True)
def _fork_servers_end() -> Iterator[None]:
    """They end with this process, which is to be told so before."""
    yield
    for server in _servers.values():
        server.kill()
        server.wait()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> WarmStart:
    """A fork server that several tests share."""
    return WarmStart(tmp_path_factory.mktemp("warm") / "home", os.getpid())


@pytest.fixture(params=["cold", "warm"])
def start(request: pytest.FixtureRequest) -> Start:
    """How a worker comes to be: however it does, it behaves alike."""
    return start_cold if request.param == "cold" else request.getfixturevalue("warm")
