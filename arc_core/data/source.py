"""Where a study's data comes from: the user's folder, or simulated images where none is given."""

from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from arc_core.data.manifest import Dataset, read_dataset
from arc_core.data.sealed import By
from arc_core.data.synthetic import SyntheticConfig, generate
from arc_core.experiments.metric import Task
from arc_core.provenance.files import clear_errors
from arc_core.record import Record

Share = Annotated[float, Field(ge=0.05, le=0.5)]


class DataConfig(Record):
    """Config group `data`."""

    path: str | None = Field(None, description="dataset folder; None: simulated images")
    folds: int = Field(4, ge=2, le=20)
    split_seed: int = Field(0, ge=0, lt=2**31)
    split_by: By = Field("patient", description="what never lies in two folds; patients never do")
    near_duplicate_bits: int = Field(
        60, ge=0, le=80, description="images of two patients whose hashes differ in no more are taken for one"
    )
    test: Share | str | None = Field(
        None, description="the sealed test part: a share of the patients, or a folder; null: none"
    )
    synthetic: SyntheticConfig = SyntheticConfig()


def open_dataset(config: DataConfig, task: Task, home: Path) -> Dataset:
    """The checked dataset. Simulated images are drawn once, into `home`/data. DatasetError if bad."""
    if config.path is not None:
        return read_dataset(Path(config.path), task)
    root = home / "data" / f"synthetic-{config.synthetic.id}"
    if not root.exists():
        # Another process may be faster; what it draws is the same.
        with clear_errors(root), suppress(FileExistsError):
            generate(config.synthetic, root)
    return read_dataset(root, task, simulated=True)
