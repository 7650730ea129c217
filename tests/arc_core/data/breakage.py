"""Ways to break a valid dataset folder, one function each."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance


def first(folder: Path, part: str = "images") -> Path:
    return min((folder / part).iterdir())


def save_mask(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels.astype(np.uint8)).save(path)


def scaled_mask(folder: Path, table: list[int]) -> None:
    path = first(folder, "masks")
    save_mask(path, np.array(table, np.uint8)[np.array(Image.open(path))])


def edit_rows(folder: Path, change: Callable[[list[str]], list[str]]) -> None:
    path = folder / "labels.csv"
    path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")


def relabel(folder: Path, label: str) -> None:
    def change(rows: list[str]) -> list[str]:
        cells = rows[1].split(",")
        return [rows[0], ",".join([cells[0], label, *cells[2:]]), *rows[2:]]

    edit_rows(folder, change)


def rename(folder: Path, column: str, to: str) -> None:
    edit_rows(folder, lambda rows: [rows[0].replace(column, to), *rows[1:]])


def with_cells(folder: Path, column: str, cells: list[str], patient: str | None = None) -> None:
    """One more column: `cells` in the first rows, all of that `patient`, and nothing in the others."""

    def change(rows: list[str]) -> list[str]:
        own = [row.split(",") for row in rows[1:]]
        for row in own[: len(cells)]:
            row[2] = patient or row[2]
        padded = [*cells, *[""] * (len(own) - len(cells))]
        return [f"{rows[0]},{column}", *(",".join([*r, c]) for r, c in zip(own, padded, strict=True))]

    edit_rows(folder, change)


def one_class(folder: Path) -> None:
    def change(rows: list[str]) -> list[str]:
        cells = [row.split(",") for row in rows[1:]]
        return [rows[0], *(",".join([row[0], "1", *row[2:]]) for row in cells)]

    edit_rows(folder, change)


def copied(folder: Path, patient: str | None) -> None:
    """The first image again, under another name, of another patient or of the same."""
    source = first(folder)
    shutil.copy(source, folder / "images" / "zz_copy.png")
    shutil.copy(folder / "masks" / source.name, folder / "masks" / "zz_copy.png")
    row = (folder / "labels.csv").read_text().splitlines()[1].split(",")
    edit_rows(folder, lambda rows: [*rows, ",".join(["zz_copy", row[1], patient or row[2], *row[3:]])])


def recompressed(folder: Path) -> None:
    """The same pixels in another file, so that only decoding can tell."""
    copied(folder, "other")
    path = folder / "images" / "zz_copy.png"
    Image.open(path).save(path, compress_level=9)


def brightened(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1.15)


def bright_copies(folder: Path, *, same_patient: bool = False) -> None:
    """A brighter copy of an image of six patients each, of a new patient or of the same."""
    cells = [row.split(",") for row in (folder / "labels.csv").read_text().splitlines()[1:]]
    rows = []
    for number, (patient, of) in enumerate(list({row[2]: row for row in cells}.items())[:6]):
        name = f"copy_{number}"
        with Image.open(folder / "images" / f"{of[0]}.png") as image:
            brightened(image).save(folder / "images" / f"{name}.png")
        shutil.copy(folder / "masks" / f"{of[0]}.png", folder / "masks" / f"{name}.png")
        rows.append(",".join([name, of[1], patient if same_patient else name, *of[3:]]))
    edit_rows(folder, lambda known: [*known, *rows])


def truncated(folder: Path) -> None:
    path = first(folder)
    path.write_bytes(path.read_bytes()[:-400])


def bit_flipped(folder: Path) -> None:
    path = first(folder)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def small_mask(folder: Path) -> None:
    path = first(folder, "masks")
    save_mask(path, np.array(Image.open(path))[:, 4:])


def bomb(folder: Path) -> None:
    Image.new("1", (12_000, 9_000)).save(first(folder))


def unlist_images(folder: Path) -> None:
    for path in list((folder / "images").iterdir()):
        path.unlink()


def loose_images(folder: Path) -> None:
    for path in list((folder / "images").iterdir()):
        path.rename(folder / path.name)
    (folder / "images").rmdir()


def upper_twin(folder: Path) -> None:
    path = first(folder)
    shutil.copy(path, path.with_name(path.stem.upper() + ".png"))
    if len(list(folder.glob("images/[sS][iI][mM]_0001*"))) < 2:
        pytest.skip("the file system does not tell case apart")
