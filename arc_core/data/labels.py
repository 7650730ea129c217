"""`labels.csv`: one row per image, with its diagnosis and where it comes from."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

from arc_core.data.columns import COLUMNS, KNOWN, read_header
from arc_core.data.faults import Faults
from arc_core.data.reader import read_bytes
from arc_core.errors import DatasetError
from arc_core.record import Record

AGES = {40: "0–39", 60: "40–59", 80: "60–79", 121: "80–120"}
"""Years that a group of age ends before → its name. The age itself is not kept."""


class LabelRow(Record):
    """One row, and the line that it ends in. `patient_id` is None where the file has no such column."""

    line: int
    image_id: str
    label: int
    patient_id: str | None = None
    site: str | None = None
    camera: str | None = None
    sex: str | None = None
    age_group: str | None = None


class Labels(NamedTuple):
    """The rows by image_id, and the names of the columns that ARC does not know."""

    rows: dict[str, LabelRow]
    ignored: tuple[str, ...]


def read_labels(path: Path, faults: Faults) -> Labels:
    """Faults name the file and the line; DatasetError where it is no such table."""
    reader = csv.DictReader(io.StringIO(_text(path), newline=""), strict=True)
    try:
        reader.fieldnames = header = read_header(path, reader.fieldnames or (), faults)
        rows: dict[str, LabelRow] = {}
        for raw in reader:
            where = f"{path}, line {reader.line_num}"
            try:
                row = _parse(where, reader.line_num, raw)
                if row.image_id in rows:
                    raise DatasetError(
                        f"image_id {row.image_id!r} stands there twice",
                        where=where,
                        cure="Keep one of the rows.",
                    )
            except DatasetError as fault:
                faults.add(fault, str(raw["image_id"] or "").strip() or None)
            else:
                rows[row.image_id] = row
    except csv.Error as error:
        raise DatasetError(
            "this is no table of comma-separated values",
            where=f"{path}, line {reader.line_num}",
            got=str(error),
            cure=f"Save it as CSV (UTF-8) with the columns {COLUMNS}.",
        ) from None
    return Labels(rows, tuple(name for name in header if name not in KNOWN))


def _text(path: Path) -> str:
    try:
        return read_bytes(path).decode("utf-8-sig")  # spreadsheets put a byte-order mark in front
    except UnicodeDecodeError as error:
        raise DatasetError(
            "the file is not UTF-8",
            where=path,
            got=f"byte {error.object[error.start]:#04x} at {error.start}",
            cure="Save it as CSV UTF-8.",
        ) from None


def _parse(where: str, line: int, raw: dict[str | None, str | list[str] | None]) -> LabelRow:
    if None in raw or None in raw.values():
        raise DatasetError(
            "the row has more or fewer fields than the header",
            where=where,
            cure="Give every row the same fields.",
        )
    cells = {str(key): str(value).strip() for key, value in raw.items()}
    if cells["label"] not in ("0", "1"):
        raise DatasetError(
            f"the label of {cells['image_id']!r} is wrong",
            where=where,
            got=repr(cells["label"]),
            expected="0 (normal) or 1 (glaucoma)",
            cure="Correct the row, or remove it together with its image.",
        )
    for name in ("image_id", "patient_id"):
        if cells.get(name) == "":
            raise DatasetError(f"{name} is empty", where=where, cure="Fill it in.")
    return LabelRow(
        line=line,
        image_id=cells["image_id"],
        label=int(cells["label"]),
        patient_id=cells.get("patient_id"),
        site=cells.get("site") or None,
        camera=cells.get("camera") or None,
        sex=cells.get("sex") or None,
        age_group=_age_group(where, cells["image_id"], cells.get("age", "")),
    )


def _age_group(where: str, image_id: str, age: str) -> str | None:
    if not age:
        return None
    try:
        years = float(age)
    except ValueError:
        years = -1
    if not 0 <= years < max(AGES):
        raise DatasetError(
            f"the age of {image_id!r} is wrong",
            where=where,
            got=repr(age),
            expected="years, from 0 to 120",
            cure="Correct it, or leave it empty.",
        )
    return next(name for end, name in AGES.items() if years < end)
