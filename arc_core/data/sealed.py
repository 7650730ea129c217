"""The test part: set apart before folds are made, and until it is opened known by its hashes alone.

No case of it is in the study's dataset, so no training, agent or report has a way to it. That its images
don't come in by another door, as data of another study or to be predicted, is seen to by `need_unsealed`, and
of copies that were encoded anew, resized, cropped or mirrored by `need_unlike`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from arc_core.data.likeness import HASH_BITS, Spectra, alike, unpacked
from arc_core.data.manifest import Dataset, read_dataset, sha256_of_cases
from arc_core.errors import DatasetError
from arc_core.experiments.ledger import Ledger
from arc_core.experiments.metric import Task
from arc_core.provenance.ledger import Entry
from arc_core.record import Record

PART = "the test part"
By = Literal["patient", "site", "camera"]
Draw = Callable[[Dataset, float, int, By], tuple[Dataset, Dataset]]
"""From a whole dataset, a share of its patients, a seed and what never lies in two parts to the two parts."""


class Sealed(Record):
    """What is kept of a test part. `share`: of the patients of the study's own folder; None: a folder."""

    root: str = Field(description="absolute path of the folder where it lies")
    share: float | None
    seed: int = Field(description="of the draw, where it is a share")
    by: By
    sha256: str = Field(description="over the canonical JSON of its cases")
    images: int
    patients: int
    image_sha256: tuple[str, ...] = Field(description="of each image file, sorted")
    spectra: str = Field("", description="of its images, packed, to know copies by; empty: none were kept")
    max_bits: int = Field(0, description="of the hashes, that differ between an image and a copy at most")
    trained_before: dict[str, int] = Field(
        {}, description="study that had trained on images of it before they were sealed → how many"
    )


def sealed_from(test: Dataset, share: float | None, seed: int, by: By) -> Sealed:
    return Sealed(
        root=test.root,
        share=share,
        seed=seed,
        by=by,
        sha256=test.sha256,
        images=len(test.cases),
        patients=len({case.patient_id for case in test.cases}),
        image_sha256=tuple(sorted(case.sha256 for case in test.cases)),
    )


def only(dataset: Dataset, image_ids: Iterable[str]) -> Dataset:
    """The dataset with these cases alone."""
    kept = frozenset(image_ids)
    cases = tuple(case for case in dataset.cases if case.image_id in kept)
    return dataset.model_copy(update={"cases": cases, "sha256": sha256_of_cases(cases)})


def need_apart_patients(development: Dataset, test: Dataset) -> None:
    """DatasetError where a patient is in both. Without patient ids that can't be told."""
    if not (development.has_patient_ids and test.has_patient_ids):
        return
    both = {case.patient_id for case in development.cases} & {case.patient_id for case in test.cases}
    if both:
        raise DatasetError(
            f"patient {min(both)} is in the study's data too ({len(both)} are)",
            where=Path(test.root) / "labels.csv",
            cure="Remove the patient from one of the two; ids of other patients must differ.",
        )


def joined(development: Dataset, test: Dataset) -> Dataset:
    """Both as one, to look for near-duplicates in: image ids of the test part begin with `test part/`."""
    cases = [
        case.model_copy(update={"image": str(part.image_path(case)), "image_id": prefix + case.image_id})
        for part, prefix in ((development, ""), (test, f"{PART}/"))
        for case in part.cases
    ]
    return development.model_copy(update={"cases": tuple(cases)})


def openings_of(ledger: Ledger, sealed: Sealed) -> tuple[Entry, ...]:
    """Each time that it was opened, in whichever study that has it; oldest first."""
    opened = ledger.entries(kind="testset.opened")
    return tuple(entry for entry in opened if entry.event.inputs.get("test") == sealed.sha256)


def reopened(sealed: Sealed, task: Task, draw: Draw) -> Dataset:
    """Its cases, read anew; `draw` draws a share again. DatasetError where they are not what was sealed."""
    whole = read_dataset(Path(sealed.root), task)
    test = whole if sealed.share is None else draw(whole, sealed.share, sealed.seed, sealed.by)[1]
    if test.sha256 != sealed.sha256:
        raise DatasetError(
            "the test part is not the one that was sealed",
            where=sealed.root,
            got=f"{len(test.cases)} images, SHA-256 {test.sha256}",
            expected=f"{sealed.images} images, SHA-256 {sealed.sha256}",
            cure="Restore the folder as it was when the study began: images, masks and labels.csv.",
        )
    return test


def need_unsealed(images: Mapping[str, object], sealed: Mapping[str, Sealed]) -> None:
    """DatasetError where an image belongs to a test part. `images`: SHA-256 → where it lies."""
    for study, part in sorted(sealed.items()):
        known = images.keys() & set(part.image_sha256)
        if known:
            raise DatasetError(
                f"the image belongs to the sealed test part of {study} ({len(known)} of these do)",
                where=min(str(images[sha256]) for sha256 in known),
                cure=(
                    f"For that study's own data, give {_asked(part)} with every command. Else leave these "
                    "images out: they open only by `python -m flows.dossier open-test`."
                ),
            )


def _asked(part: Sealed) -> str:
    return f"data.test={part.root if part.share is None else format(part.share, 'g')}"


def need_unlike(images: Sequence[object], spectra: Spectra, sealed: Mapping[str, Sealed]) -> None:
    """DatasetError where an image looks like one of a test part. `images`: where they lie."""
    for study, part in sorted(sealed.items()):
        if not part.spectra:
            continue
        theirs = unpacked(part.spectra)
        sides = np.repeat([0, 1], [len(spectra), len(theirs)])
        pairs = alike(np.concatenate([spectra, theirs]), sides, part.max_bits)
        if pairs:
            closest = min(pairs, key=lambda pair: (pair.bits, str(images[pair.one])))
            count = len({pair.one for pair in pairs})
            raise DatasetError(
                f"it looks like an image of the sealed test part of {study}"
                f"{', mirrored' if closest.mirrored else ''} ({count} of these do)",
                where=images[closest.one],
                got=f"{closest.bits} of {HASH_BITS} bits differ, correlation {closest.correlation:.2f}",
                expected=f"more than {part.max_bits} bits, as between different eyes",
                cure="It opens only by `python -m flows.dossier open-test`. Leave these images out.",
            )
