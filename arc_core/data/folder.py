"""Which files a dataset folder holds, by image_id."""

import os
import re
from pathlib import Path

from arc_core.data.faults import Faults
from arc_core.errors import DatasetError

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"})
LITTER = frozenset({"thumbs.db", "desktop.ini"})  # what file browsers leave; hidden files are skipped too
SAFE_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,119}")
LAYOUT = "The layout is images/<image_id>.png, masks/<image_id>.png, labels.csv; see the README."


def list_images(folder: Path, faults: Faults) -> dict[str, Path]:
    """image_id → file, sorted. Faults: a foreign file, an unsafe or doubled id. DatasetError: no images."""
    found: dict[str, Path] = {}
    seen: dict[str, Path] = {}
    paths = _visible(folder)
    for path in paths:
        if fault := _unlike_an_image(path, seen):
            faults.add(fault, path.stem)
        else:
            found[path.stem] = path
    if not paths:
        raise DatasetError("the folder holds no images", where=folder, cure="Put the photographs into it.")
    return found


def _unlike_an_image(path: Path, seen: dict[str, Path]) -> DatasetError | None:
    """`seen`: image_id in lower case → the file that had it first; this one is added."""
    if path.is_dir() or path.suffix.lower() not in IMAGE_SUFFIXES:
        return DatasetError(
            "this is no image ARC can read",
            where=path,
            expected=", ".join(sorted(IMAGE_SUFFIXES)),
            cure="Convert it to PNG, or move it out of the folder.",
        )
    if not SAFE_ID.fullmatch(path.stem):
        return DatasetError(
            "the file name cannot serve as an image_id",
            where=path,
            expected="letters, digits, dot, underscore, hyphen; at most 120; no dot in front",
            cure="Rename the image, and its mask and its row in labels.csv with it.",
        )
    twin = seen.setdefault(path.stem.lower(), path)
    if twin is not path:
        return DatasetError(
            f"duplicate image_id: {twin.name} has the same, but for case and suffix",
            where=path,
            cure="Rename or remove one of them.",
        )
    return None


def check_folder(root: Path) -> None:
    """DatasetError where `root` is no dataset folder at all."""
    try:
        there = root.exists()
    except OSError:  # a name too long for the file system
        there = False
    if not there:
        raise DatasetError("no such folder", where=root, cure="Check the path given with --data.")
    if not root.is_dir():
        raise DatasetError("this is a file, not a folder", where=root, cure=f"Give the folder. {LAYOUT}")
    if not _visible(root):
        raise DatasetError("the folder is empty", where=root, cure=LAYOUT)
    if not (root / "images").is_dir():
        raise DatasetError("the folder has no images/ folder", where=root, cure=LAYOUT)


def _visible(folder: Path) -> list[Path]:
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise DatasetError(
            "the folder cannot be read", where=folder, got=error.strerror, cure="Check that it exists."
        ) from None
    return [path for path in paths if not path.name.startswith(".") and path.name.lower() not in LITTER]


def list_masks(folder: Path, images: dict[str, Path], faults: Faults) -> dict[str, Path]:
    """image_id → mask; {} without the folder. Faults: a foreign file, a mask without its image."""
    if not os.path.lexists(folder):  # a link to nowhere is a folder that cannot be read, not no folder
        return {}
    masks: dict[str, Path] = {}
    for path in _visible(folder):
        if path.is_dir() or path.suffix.lower() != ".png":
            fault = DatasetError(
                "this is no mask ARC can read",
                where=path,
                expected="a PNG, which loses nothing",
                cure="Save the mask as <image_id>.png, or move the file out of the folder.",
            )
        elif path.stem not in images:
            fault = DatasetError(
                "the mask has no image",
                where=path,
                cure=f"Add images/{path.stem}.png, give it its image's name, or remove the mask.",
            )
        else:
            masks[path.stem] = path
            continue
        faults.add(fault, path.stem)
    return masks
