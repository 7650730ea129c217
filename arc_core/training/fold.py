"""The record of one finished fold: what it cost, and the hash of every file it left."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from arc_core.errors import ExperimentFailed, StoreError
from arc_core.experiments.result import Point
from arc_core.experiments.runs import inside
from arc_core.provenance.canonical import sha256_of, sha256_of_file
from arc_core.provenance.files import write_atomically
from arc_core.record import Record
from arc_core.training.dri import measures_dri
from arc_core.training.plan import TrainingPlan

MODEL = "model.pt"
PREDICTIONS = "predictions.csv"
CURVE = "curve.csv"
DONE = "done.json"
MASKS = "masks"
CAMS = "cams"
"""Relevance maps of a classification, one per held-out case that has a mask."""


class FoldDone(Record):
    """Written last, as `fold-<k>/done.json`: a fold without it never counts."""

    fold: int
    key: str
    """What the fold was trained from: spec, data and split; a fold of another key is trained anew."""
    device: str
    devices: int = 1
    precision: str = "fp32"
    startup_s: float
    """Imports and decoding; zero for every fold but the first of a worker."""
    train_s: float
    total_s: float
    """The fold from its first step to its last file, start-up not included."""
    images: int
    peak_memory_mib: float
    files: dict[str, str]
    """Path under the fold's folder → SHA-256."""


def fold_key(plan: TrainingPlan) -> str:
    """Equal for plans whose folds, and checkpoints, may stand for each other."""
    return sha256_of(
        {
            "spec": plan.spec.id,
            "dataset": plan.dataset.sha256,
            "assignment": dict(plan.split.assignment),
            "training": plan.training.model_dump(exclude={"checkpoint_every_s"}),
            "deepspeed": None if plan.deepspeed is None else plan.deepspeed.model_dump(),
            "device": plan.system.device,
            # A fold trained before relevance was measured has no maps, and can't stand for one that has.
            **({"relevance": CAMS} if any(measures_dri(plan, case) for case in plan.dataset.cases) else {}),
        }
    )


def finish_fold(folder: Path, done: FoldDone) -> None:
    """Seal a fold: hash its files and write done.json."""
    files = {
        path.relative_to(folder).as_posix(): sha256_of_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != DONE and not path.name.startswith(".")
    }
    sealed = done.model_copy(update={"files": files})
    write_atomically(folder / DONE, sealed.model_dump_json(indent=1).encode())


def read_fold(plan: TrainingPlan, fold: int) -> FoldDone:
    """The fold's record, after checking that its files are the ones it was sealed with.

    ExperimentFailed says which file is missing, unreadable or changed.
    """
    folder = plan.fold_dir(fold)
    try:
        done = FoldDone.model_validate_json((folder / DONE).read_bytes())
    except FileNotFoundError:
        raise ExperimentFailed(f"fold {fold} is not finished: {folder / DONE} is missing") from None
    except ValidationError as error:
        raise ExperimentFailed(f"{folder / DONE} is unreadable: {error.errors()[0]['msg']}") from None
    if done.key != fold_key(plan) or done.fold != fold:
        raise ExperimentFailed(f"{folder} was trained from another spec, dataset or split")
    if unsealed := {MODEL, PREDICTIONS, CURVE} - done.files.keys():
        raise ExperimentFailed(f"{folder / DONE} does not vouch for {', '.join(sorted(unsealed))}")
    for name, expected in done.files.items():
        try:
            path = inside(folder, name)
        except StoreError as error:
            raise ExperimentFailed(str(error)) from None
        if not path.is_file():
            raise ExperimentFailed(f"{path} is missing")
        if sha256_of_file(path) != expected:
            raise ExperimentFailed(f"{path} was changed after training: its SHA-256 is not {expected[:12]}…")
    return done


def is_finished(plan: TrainingPlan, fold: int) -> bool:
    """Whether the fold's files can be used as they are."""
    try:
        read_fold(plan, fold)
    except ExperimentFailed:
        return False
    return True


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A CSV file with a header, written atomically; None becomes an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    write_atomically(path, text.getvalue().encode())


def read_curve(plan: TrainingPlan, fold: int) -> list[Point]:
    """The fold's learning curve."""
    with (plan.fold_dir(fold) / CURVE).open(newline="", encoding="utf-8") as file:
        return [
            Point(
                fold=fold,
                epoch=int(row["epoch"]),
                train_loss=float(row["train_loss"]),
                held_out_loss=float(row["held_out_loss"]) if row["held_out_loss"] else None,
            )
            for row in csv.DictReader(file)
        ]
