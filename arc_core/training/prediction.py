"""A folder of new images through the champion: a table, masks and overlays."""

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from arc_core.data.faults import Faults
from arc_core.data.folder import list_images
from arc_core.data.reader import Pixels, read_image, write_mask, write_png
from arc_core.errors import DatasetError
from arc_core.provenance.files import write_atomically
from arc_core.record import Record

if TYPE_CHECKING:
    from arc_core.training.reading import Prediction

ABOUT = "about.txt"
"""Who predicted; also tells a folder of predictions from a dataset."""
NOTICE = "Research software, not a medical device; not for use in the care of patients."
COLUMNS = ("image_id", "probability", "vcdr", "disc_area_px", "cup_area_px")
RIM_COLOUR, CUP_COLOUR = (64, 224, 96), (255, 140, 0)


class Predicted(Record):
    """What came of the folder. `unreadable`: image_id → why; every other image has its row.

    `remarks`: what whoever reads the figures has to know beside them.
    """

    images: int
    unreadable: dict[str, str]
    remarks: tuple[str, ...] = ()


def images_in(folder: Path) -> dict[str, Path]:
    """image_id → file, of a folder of images or of a dataset folder."""
    if folder.is_file():
        raise DatasetError("this is a file, not a folder", where=folder, cure="Give the folder it lies in.")
    if not folder.is_dir():
        raise DatasetError("no such folder", where=folder, cure="Give the folder that holds the photographs.")
    faults = Faults(folder)
    found = list_images(folder / "images" if (folder / "images").is_dir() else folder, faults)
    faults.end()
    return found


def check_out(folder: Path, out: Path) -> None:
    """DatasetError where writing to `out` could overwrite images or reference masks, or can't be done."""
    source, target = folder.resolve(), out.resolve()
    strange = [name for name in ("images", "masks", "overlays") if (target / name).exists()]
    ours = "images" not in strange and (target / ABOUT).exists()
    if target == source or source in target.parents or (strange and not ours):
        raise DatasetError(
            "the output would mix with the images, and could overwrite reference masks",
            where=out,
            cure="Give --out a folder of its own, outside the images' folder.",
        )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatasetError(
            "the folder can't be made", where=out, got=error.strerror, cure="Give --out another folder."
        ) from None


def predict_folder(
    predict: Callable[[Pixels], "Prediction"],
    images: Mapping[str, Path],
    out: Path,
    about: str,
    on_image: Callable[[str], None],
) -> Predicted:
    """Write `about.txt`, `predictions.csv`, and for segmentation `masks/` and `overlays/`, under `out`.

    An unreadable image gets no row and does not stop the others. What an earlier run left in `out` is
    removed first, so that no mask of another champion lies beside the new table.
    """
    for path in [out / "predictions.csv", *out.glob("masks/*.png"), *out.glob("overlays/*.png")]:
        path.unlink(missing_ok=True)
    write_atomically(out / ABOUT, about.encode())
    rows: list[dict[str, object]] = []
    unreadable: dict[str, str] = {}
    for image_id, path in images.items():
        try:
            image = read_image(path)
        except DatasetError as error:
            unreadable[image_id] = str(error)
            continue
        prediction = predict(image)
        rows.append(_row(image_id, prediction))
        if prediction.mask is not None:
            for folder in ("masks", "overlays"):
                (out / folder).mkdir(parents=True, exist_ok=True)
            write_mask(out / "masks" / f"{image_id}.png", prediction.mask)
            _write_overlay(out / "overlays" / f"{image_id}.png", image, prediction.mask)
        on_image(image_id)
    write_atomically(out / "predictions.csv", _table(rows))
    return Predicted(images=len(rows), unreadable=unreadable)


def _row(image_id: str, prediction: "Prediction") -> dict[str, object]:
    def decimals(value: float | None) -> str:
        return "" if value is None else f"{value:.4f}"

    return {
        "image_id": image_id,
        "probability": decimals(prediction.probability),
        "vcdr": decimals(prediction.vcdr),
        "disc_area_px": prediction.disc_area_px,
        "cup_area_px": prediction.cup_area_px,
    }


def _table(rows: list[dict[str, object]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _write_overlay(path: Path, image: Pixels, mask: Pixels) -> None:
    """The photograph with the disc's contour in green and the cup's in orange."""
    from PIL import Image
    from scipy.ndimage import binary_dilation

    drawn = image.copy()
    width_px = max(1, round(max(image.shape[:2]) / 400))
    for level, colour in ((1, RIM_COLOUR), (2, CUP_COLOUR)):
        region = mask >= level
        drawn[binary_dilation(region, iterations=width_px) & ~region] = colour
    write_png(path, Image.fromarray(drawn))
