"""Folds by patient, site or camera: no patient on two sides, classes spread evenly, drawn from a seed."""

import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field

from arc_core.data.leakage import Leakage
from arc_core.data.manifest import Dataset
from arc_core.data.sealed import By, Sealed, only
from arc_core.errors import DatasetError
from arc_core.provenance.canonical import sha256_of
from arc_core.record import Record

Counts = Counter[int | None]  # label → images


class Split(Record):
    """Which fold holds each image out. Frozen before the first training."""

    dataset_sha256: str
    folds: int
    seed: int
    by: By = "patient"
    patient_level_demonstrable: bool = Field(
        description="False: without patient ids, two eyes of one patient may lie on two sides"
    )
    assignment: dict[str, int] = Field(description="image_id → fold")
    leakage: Leakage | None = Field(None, description="None: frozen before ARC looked for near-duplicates")
    sealed: Sealed | None = Field(None, description="the test part, which no fold has; None: there is none")

    @property
    def sha256(self) -> str:
        """Of the split itself: what was found beside it changes no fold."""
        return sha256_of(self.model_dump(mode="json", exclude={"leakage", "sealed"}))

    def to_train_on(self) -> "Split":
        """Itself without what copies of the test part are known by: no run folder is to have it."""
        if self.sealed is None:
            return self
        return self.model_copy(update={"sealed": self.sealed.model_copy(update={"spectra": ""})})

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


def make_split(dataset: Dataset, folds: int, seed: int, by: By = "patient") -> Split:
    """Deals patients to folds, the largest first, each to the fold that has least of their classes.

    By site or camera, all images of one are dealt together, and with them those that share a patient.
    Every fold gets both classes wherever each class has as many patients (sites, cameras) as there are folds.
    Depends on the cases and the seed alone, not on their order.
    DatasetError: fewer patients than folds, or for classification fewer of one class; an image without its
    site or camera.
    """
    if folds < 2:
        raise ValueError(f"folds must be at least 2 but got {folds}")
    unit_of = _units(dataset, by)
    images: defaultdict[str, Counts] = defaultdict(Counter)
    for case in dataset.cases:
        images[unit_of[case.patient_id]][case.label] += 1
    _need_units(dataset, images, folds, by)
    fold_of = _deal(images, folds, random.Random(seed))
    return Split(
        dataset_sha256=dataset.sha256,
        folds=folds,
        seed=seed,
        by=by,
        patient_level_demonstrable=dataset.has_patient_ids,
        assignment={case.image_id: fold_of[unit_of[case.patient_id]] for case in dataset.cases},
    )


def hold_back(dataset: Dataset, share: float, seed: int, by: By = "patient") -> tuple[Dataset, Dataset]:
    """The dataset without a test part, and the test part: about that share of the patients, dealt like folds.

    DatasetError as of `make_split`.
    """
    drawn = make_split(dataset, max(2, round(1 / share)), seed, by)
    return only(dataset, drawn.training(0)), only(dataset, drawn.held_out(0))


def _units(dataset: Dataset, by: By) -> dict[str, str]:
    """patient → what is dealt as one: the patient, or the first by name of the sites joined by patients."""
    if by == "patient":
        return {case.patient_id: case.patient_id for case in dataset.cases}
    places = _places(dataset, by)
    joined = {place: place for place in places.values()}  # → one before it by name, or itself

    def first(place: str) -> str:
        while joined[place] != place:
            place = joined[place]
        return place

    place_of: dict[str, str] = {}
    for case in dataset.cases:
        place = places[case.image_id]
        here, there = sorted((first(place), first(place_of.setdefault(case.patient_id, place))))
        joined[there] = here
    return {patient: first(place) for patient, place in place_of.items()}


def _places(dataset: Dataset, by: Literal["site", "camera"]) -> dict[str, str]:
    """image_id → site or camera. DatasetError where one is not known."""
    known = {case.image_id: place for case in dataset.cases if (place := getattr(case, by))}
    unknown = [case.image_id for case in dataset.cases if case.image_id not in known]
    if unknown:
        raise DatasetError(
            f"the {by} of {unknown[0]!r} is not given ({len(unknown)} of {len(dataset.cases)} have none)",
            where=Path(dataset.root) / "labels.csv",
            expected=f"a column {by!r}, filled in for every image",
            cure="Fill it in, or set data.split_by=patient.",
        )
    return known


def _deal(images: Mapping[str, Counts], folds: int, rng: random.Random) -> dict[str, int]:
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


def _need_units(dataset: Dataset, images: Mapping[str, Counts], folds: int, by: By) -> None:
    if len(images) < folds:
        raise _too_few(f"{by}s", dataset.root, len(images), folds, by)
    for label in (0, 1) if dataset.task == "classification" else ():
        count = sum(1 for labels in images.values() if label in labels)
        if count < folds:
            raise _too_few(f"{by}s with label {label}", Path(dataset.root) / "labels.csv", count, folds, by)


def _too_few(what: str, where: str | Path, count: int, folds: int, by: By) -> DatasetError:
    note, cure = (
        ("", "add patients")
        if by == "patient"
        else (", where those that share a patient count as one", "set data.split_by=patient")
    )
    return DatasetError(
        f"fewer {what} than folds",
        where=where,
        got=f"{count} {by}s{note}",
        expected=f"at least {folds}",
        cure=f"Set data.folds={count} or less, or {cure}." if count > 1 else f"{cure.capitalize()}.",
    )
