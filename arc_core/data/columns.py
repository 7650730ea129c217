"""The columns of `labels.csv`: which are ARC's, however written, and what the others may be meant for."""

from collections import Counter
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

from arc_core.data.faults import Faults
from arc_core.errors import DatasetError

NEEDED = ("image_id", "label")
OTHERS = ("patient_id", "site", "camera", "sex", "age")
KNOWN = frozenset((*NEEDED, *OTHERS))
COLUMNS = f"{','.join(NEEDED)} and, if known, {','.join(OTHERS)}"
ALIKE = 0.8  # of difflib's ratio: `patient` and `sites` are near, `stage` and `image_path` are not
TOLD, LONGEST = 10, 40


def read_header(path: Path, names: Collection[str], faults: Faults) -> list[str]:
    """The names in their places, ARC's own as ARC writes them. Faults: one that is nearly one of those.

    DatasetError where it is the header of no such table.
    """
    header = [_own(name) for name in names]
    check_header(path, header)
    lacking = _lacking(header)
    for name in header:
        if name not in KNOWN and (meant := _meant(name, lacking)):
            faults.add(_nearly(path, name, meant))
    return header


def check_header(path: Path, header: list[str]) -> None:
    """DatasetError where a needed column is missing, or one stands there twice."""
    missing = [name for name in NEEDED if name not in header]
    if missing:
        near = (name for name in header if name not in KNOWN and _meant(name, missing[:1]))
        cure = f"Rename {name!r} to it." if (name := next(near, None)) is not None else "Add it."
        raise DatasetError(
            f"column {missing[0]!r} is missing",
            where=path,
            got=", ".join(header) or "an empty file",
            expected=COLUMNS,
            cure="Use commas, not semicolons." if any(";" in name for name in header) else cure,
        )
    twice = sorted(name for name, times in Counter(header).items() if times > 1)
    if twice:
        raise DatasetError(f"column {twice[0]!r} stands there twice", where=path, cure="Keep one of them.")


def ignored_in_words(names: Collection[str], *, has_patient_ids: bool) -> str:
    """That these columns were not read, and what that means where none names the patients."""
    told = ", ".join(repr(name[:LONGEST]) for name in list(names)[:TOLD])
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    unknown = "" if has_patient_ids else " Patients unknown: each image counted as one."
    return (
        f"labels.csv: columns that ARC does not know are ignored: {told}{more}. It knows {COLUMNS}.{unknown}"
    )


def _own(name: str) -> str:
    own = name.strip().casefold()
    return own if own in KNOWN else name.strip()


def _lacking(header: Collection[str]) -> list[str]:
    """What can be meant by another name: a column that is there is not looked for."""
    return sorted(KNOWN - set(header))


def _meant(name: str, lacking: Collection[str]) -> str | None:
    letters = {_letters(column): column for column in lacking}
    near = get_close_matches(_letters(name), letters, 1, ALIKE)
    return letters[near[0]] if near else None


def _letters(name: str) -> str:
    """`PatientID`, `patient id` and `patient_id` are one."""
    return "".join(each for each in name.casefold() if each.isalnum())


def _nearly(path: Path, name: str, meant: str) -> DatasetError:
    return DatasetError(
        "a column is nearly one that ARC knows",
        where=path,
        got=repr(name),
        expected=f"{meant!r}, if that is what it holds",
        cure=f"Rename it to {meant}; if it holds something else, give it another name: it is ignored then.",
    )
