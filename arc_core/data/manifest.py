"""A dataset as it lies in a folder, listed, checked and named by its hash.

    images/<image_id>.png   or jpg, jpeg, tif, tiff, bmp
    masks/<image_id>.png    0 background, 1 rim, 2 cup; needed for segmentation
    labels.csv              image_id,label[,patient_id][,site][,camera][,sex][,age]; needed for classification

Everything is checked here, once; what reads a case later may trust it.
"""

import hashlib
import logging
import os
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field

from arc_core.data.columns import ignored_in_words
from arc_core.data.faults import Faults
from arc_core.data.folder import SAFE_ID, check_folder, list_images, list_masks
from arc_core.data.labels import LabelRow, Labels, read_labels
from arc_core.data.patients import of_patients
from arc_core.data.reader import decode_image, decode_mask, read_bytes
from arc_core.errors import DatasetError
from arc_core.experiments.metric import Task
from arc_core.provenance.canonical import sha256_of
from arc_core.record import Record

log = logging.getLogger(__name__)
SIMULATED_MARK = "SIMULATED"


class ImageCase(Record):
    """One photograph of one eye. Paths are relative to the dataset's root."""

    image_id: str = Field(pattern=rf"^{SAFE_ID.pattern}$")
    image: str = Field(pattern=rf"^images/{SAFE_ID.pattern}\.[A-Za-z]+$")
    mask: str | None = Field(None, pattern=rf"^masks/{SAFE_ID.pattern}\.[A-Za-z]+$")
    label: Literal[0, 1] | None = None
    patient_id: str
    site: str | None = None
    camera: str | None = None
    sex: str | None = None
    age_group: str | None = None
    height_px: int
    width_px: int
    sha256: str = Field(description="of the image file")
    mask_sha256: str | None = None


class Dataset(Record):
    """A checked folder. Equal content has equal `sha256`, wherever it lies."""

    root: str = Field(description="absolute path")
    name: str
    task: Task = Field(description="what it was checked for")
    simulated: bool
    has_patient_ids: bool = Field(description="False: image_id stands for the patient")
    cases: tuple[ImageCase, ...] = Field(description="sorted by image_id")
    sha256: str = Field(description="over the canonical JSON of the cases")
    remark: str = Field("", exclude=True, description="what of labels.csv was not read; kept nowhere")

    def image_path(self, case: ImageCase) -> Path:
        return Path(self.root) / case.image

    def mask_path(self, case: ImageCase) -> Path | None:
        return None if case.mask is None else Path(self.root) / case.mask


class _Files(NamedTuple):
    """What decoding one case's files showed."""

    shape: tuple[int, int]
    sha256: str
    mask_sha256: str | None
    pixels: str


def read_dataset(root: Path, task: Task, *, simulated: bool = False) -> Dataset:
    """Lists and checks the folder; decodes every file once.

    DatasetError names the bad files and the cures: first of what lies there and of the table, then of what is
    in the files.
    """
    root = root.expanduser().absolute()
    check_folder(root)
    faults = Faults(root)
    images = list_images(root / "images", faults)
    masks = list_masks(root / "masks", images, faults)
    _need_masks(root, images, masks, task, faults)
    labels, ignored = _labels(root / "labels.csv", images, task, faults)
    faults.end()
    ids = sorted(images)
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:
        read = list(pool.map(_read_files, [images[i] for i in ids], [masks.get(i) for i in ids]))
    for found in read:
        if isinstance(found, DatasetError):
            faults.add(found)
    faults.end()
    files = [found for found in read if not isinstance(found, DatasetError)]
    cases = tuple(
        _case(root, image_id, images[image_id], masks.get(image_id), labels.get(image_id), found)
        for image_id, found in zip(ids, files, strict=True)
    )
    _refuse_copies(root, cases, [found.pixels for found in files], faults)
    if task == "classification":
        _need_both_classes(root / "labels.csv", cases, faults)
    faults.end()
    has_patient_ids = any(row.patient_id is not None for row in labels.values())
    remark = ignored_in_words(ignored, has_patient_ids=has_patient_ids) if ignored else ""
    if remark:
        log.warning("%s/%s", root, remark)
    return Dataset(
        root=str(root),
        name=root.name,
        task=task,
        simulated=simulated or _is_marked_simulated(root),
        has_patient_ids=has_patient_ids,
        cases=cases,
        sha256=sha256_of_cases(cases),
        remark=remark,
    )


def sha256_of_cases(cases: Iterable[ImageCase]) -> str:
    """Sex and age count where they are known: what was hashed before ARC read them keeps its hash."""
    late = ("sex", "age_group")
    return sha256_of(
        [
            case.model_dump(mode="json", exclude={name for name in late if getattr(case, name) is None})
            for case in cases
        ]
    )


def _need_masks(
    root: Path, images: dict[str, Path], masks: dict[str, Path], task: Task, faults: Faults
) -> None:
    missing = [image_id for image_id in images if image_id not in masks and image_id not in faults]
    if task == "segmentation" and missing:
        faults.add(
            DatasetError(
                f"the image has no mask ({len(missing)} of {len(images)} have none)",
                where=images[missing[0]],
                expected=str(root / "masks" / f"{missing[0]}.png"),
                cure="Add the mask, remove the image, or use --task classification.",
            )
        )


def _labels(path: Path, images: dict[str, Path], task: Task, faults: Faults) -> Labels:
    if not os.path.lexists(path):  # a link to nowhere is a file that cannot be opened, not no file
        if task == "classification":
            faults.add(
                DatasetError(
                    "labels.csv is missing",
                    where=path,
                    cure="Write it with the columns image_id,label, or use --task segmentation.",
                )
            )
        return Labels({}, ())
    try:
        rows, ignored = read_labels(path, faults)
    except DatasetError as error:
        faults.add(error)
        return Labels({}, ())
    for image_id in sorted(rows.keys() - images.keys()):
        fault = DatasetError(
            f"the row {image_id!r} has no image",
            where=path,
            cure=f"Add images/{image_id}.png, or remove the row; ids are written without a suffix.",
        )
        faults.add(fault, image_id)
    for image_id in sorted(images.keys() - rows.keys()):
        fault = DatasetError(
            f"the image has no row in {path.name}",
            where=images[image_id],
            cure=f"Add a row {image_id},0 or {image_id},1, or remove the image.",
        )
        faults.add(fault, image_id)
    return Labels(of_patients(path, rows, faults), ignored)


def _read_files(image_path: Path, mask_path: Path | None) -> _Files | DatasetError:
    try:
        return _files(image_path, mask_path)
    except DatasetError as fault:
        fault.__traceback__ = fault.__context__ = None  # they would hold the images of all bad files
        return fault


def _files(image_path: Path, mask_path: Path | None) -> _Files:
    data = read_bytes(image_path)
    pixels = decode_image(data, image_path)
    mask_sha256 = None
    if mask_path is not None:
        mask_data = read_bytes(mask_path)
        mask = decode_mask(mask_data, mask_path)
        mask_sha256 = hashlib.sha256(mask_data).hexdigest()
        if mask.shape != pixels.shape[:2]:
            raise DatasetError(
                "the sizes of mask and image differ",
                where=mask_path,
                got=_size(mask.shape),
                expected=f"{_size(pixels.shape)}, as {image_path.name}",
                cure="Export the mask at the image's own size.",
            )
        if not mask.any():
            raise DatasetError(
                "the mask has no disc",
                where=mask_path,
                cure="Mark rim (1) and cup (2), or remove the image and its mask.",
            )
    shape = (pixels.shape[0], pixels.shape[1])
    content = hashlib.sha256(repr(shape).encode() + pixels.tobytes()).hexdigest()
    return _Files(shape, hashlib.sha256(data).hexdigest(), mask_sha256, content)


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]} × {shape[0]} px"


def _case(
    root: Path, image_id: str, image: Path, mask: Path | None, row: LabelRow | None, files: _Files
) -> ImageCase:
    return ImageCase(
        image_id=image_id,
        image=image.relative_to(root).as_posix(),
        mask=None if mask is None else mask.relative_to(root).as_posix(),
        label=None if row is None else (1 if row.label else 0),
        patient_id=(row.patient_id if row else None) or image_id,
        site=row.site if row else None,
        camera=row.camera if row else None,
        sex=row.sex if row else None,
        age_group=row.age_group if row else None,
        height_px=files.shape[0],
        width_px=files.shape[1],
        sha256=files.sha256,
        mask_sha256=files.mask_sha256,
    )


def _refuse_copies(root: Path, cases: Iterable[ImageCase], pixels: Iterable[str], faults: Faults) -> None:
    first: dict[str, ImageCase] = {}
    for case, content in zip(cases, pixels, strict=True):
        twin = first.setdefault(content, case)
        if twin is case:
            continue
        patients = (
            f"under one patient, {case.patient_id}"
            if twin.patient_id == case.patient_id
            else f"under two patients, {twin.patient_id} and {case.patient_id}"
        )
        faults.add(
            DatasetError(
                f"the same image as {twin.image} {patients}",
                where=root / case.image,
                cure="Remove one of them, or correct patient_id; a copy would leak from training into "
                "testing.",
            )
        )


def _need_both_classes(path: Path, cases: Iterable[ImageCase], faults: Faults) -> None:
    counts = Counter(case.label for case in cases)
    if len(counts) < 2:
        faults.add(
            DatasetError(
                "all images have one class",
                where=path,
                got=f"only label {next(iter(counts))}",
                expected="both 0 (normal) and 1 (glaucoma)",
                cure="Add images of the other class, or use --task segmentation.",
            )
        )


def _is_marked_simulated(root: Path) -> bool:
    readme = root / "README.txt"
    return readme.is_file() and readme.read_bytes().startswith(SIMULATED_MARK.encode())
