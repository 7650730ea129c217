"""Whether a sealed test part lies where it was sealed, as its folder lists it: no file of it is read.

Seen before an opening counts, as one of a disk that is not mounted could read nothing, nor be taken back.
"""

import os
from pathlib import Path

from arc_core.data.faults import Faults
from arc_core.data.folder import check_folder, list_images, list_masks
from arc_core.data.sealed import Sealed
from arc_core.data.study import dataset_of
from arc_core.errors import DatasetError
from arc_core.experiments.study import Study


def need_there(study: Study, sealed: Sealed) -> None:
    """DatasetError where the folder is not there, or not every image, mask and table of it."""
    root = Path(sealed.root)
    faults = Faults(root)
    try:
        check_folder(root)
        images = list_images(root / "images", faults)
        masks = list_masks(root / "masks", images, faults) if study.task == "segmentation" else {}
    except DatasetError as error:
        raise _away(error.what, error.where) from error
    count = sealed.images + (0 if sealed.share is None else len(dataset_of(study).cases))
    if len(images) != count:
        drawn = "" if sealed.share is None else " of the study and its test part"
        raise _away(f"it has {len(images)} images, and had {count}{drawn}", root / "images")
    if study.task == "segmentation":
        beside = [masks.get(each, root / "masks" / f"{each}.png") for each in images]
    else:
        beside = [root / "labels.csv"]
    for path in (*images.values(), *beside):
        if not os.access(path, os.R_OK):  # nor where a link leads
            raise _away("it can't be read", path)
    faults.end()


def _away(what: str, where: object) -> DatasetError:
    return DatasetError(
        f"the test part is not there as it was sealed: {what}",
        where=where,
        cure="Mount its disk, or restore the folder as it was when the study began; then the same command "
        "opens it. It has not been opened now, and nothing is counted.",
    )
