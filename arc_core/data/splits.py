"""Folds by patient: no patient on two sides, classes spread evenly, drawn from a seed."""

import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Literal

from pydantic import Field

from arc_core.data.manifest import Dataset, ImageCase
from arc_core.errors import DatasetError
from arc_core.provenance.canonical import sha256_of
from arc_core.record import Record

Counts = Counter[int | None]  # label → images


class Split(Record):
    """Which fold holds each image out. Frozen before the first training."""

    dataset_sha256: str
    folds: int
    seed: int
    by: Literal["patient"] = "patient"
    patient_level_demonstrable: bool = Field(
        description="False: without patient ids, two eyes of one patient may lie on two sides"
    )
    assignment: dict[str, int] = Field(description="image_id → fold")

    @property
    def sha256(self) -> str:
        return sha256_of(self.model_dump(mode="json"))

    def held_out(self, fold: int) -> tuple[str, ...]:
        """The image ids measured in `fold`, sorted."""
        self._check(fold)
        return tuple(sorted(key for key, value in self.assignment.items() if value == fold))

    def training(self, fold: int) -> tuple[str, ...]:
        """The image ids trained on in `fold`, sorted."""
        self._check(fold)
        return tuple(sorted(key for key, value in self.assignment.items() if value != fold))

    def _check(self, fold: int) -> None:
        if not 0 <= fold < self.folds:
            raise ValueError(f"fold must be between 0 and {self.folds - 1} but got {fold}")


def make_split(dataset: Dataset, folds: int, seed: int) -> Split:
    """Deals patients to folds, the largest first, each to the fold that has least of their classes.

    Every fold gets both classes wherever each class has as many patients as there are folds.
    Depends on the cases and the seed alone, not on their order.
    DatasetError: fewer patients than folds, or for classification fewer of one class.
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2 but got {folds}")
    patients: defaultdict[str, list[ImageCase]] = defaultdict(list)
    for case in dataset.cases:
        patients[case.patient_id].append(case)
    images: dict[str, Counts] = {
        patient: Counter(case.label for case in cases) for patient, cases in patients.items()
    }
    _need_patients(dataset, images, folds)
    fold_of = _deal(images, folds, random.Random(seed))
    return Split(
        dataset_sha256=dataset.sha256,
        folds=folds,
        seed=seed,
        patient_level_demonstrable=dataset.has_patient_ids,
        assignment={case.image_id: fold_of[case.patient_id] for case in dataset.cases},
    )


def _deal(images: dict[str, Counts], folds: int, rng: random.Random) -> dict[str, int]:
    """A patient with both classes goes first, as such a patient serves two needs at once."""
    patients = sorted(images)
    rng.shuffle(patients)
    patients.sort(key=lambda patient: (-len(images[patient]), -images[patient].total()))
    order = rng.sample(range(folds), folds)  # so that ties don't always favour fold 0
    held: dict[int, Counts] = {fold: Counter() for fold in order}
    fold_of: dict[str, int] = {}
    for patient in patients:
        mine = images[patient]
        fold = min(order, key=lambda fold: (sum(held[fold][label] for label in mine), held[fold].total()))
        held[fold].update(mine)
        fold_of[patient] = fold
    return fold_of


def _need_patients(dataset: Dataset, images: dict[str, Counts], folds: int) -> None:
    if len(images) < folds:
        raise DatasetError(
            "fewer patients than folds",
            where=dataset.root,
            got=f"{len(images)} patients",
            expected=f"at least {folds}",
            cure=f"Set data.folds={max(len(images), 2)} or less, or add patients.",
        )
    if dataset.task != "classification":
        return
    for label in (0, 1):
        count = sum(1 for labels in images.values() if label in labels)
        if count < folds:
            raise DatasetError(
                f"fewer patients with label {label} than folds",
                where=Path(dataset.root) / "labels.csv",
                got=f"{count} patients",
                expected=f"at least {folds}",
                cure=f"Set data.folds={count} or less, or add patients." if count > 1 else "Add patients.",
            )
