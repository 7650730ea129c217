"""What is a patient's and not an image's: the sex and the group of age are one for all rows of a patient.

Otherwise the patient would be counted in two groups, and the groups add up to more patients than there are.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

from arc_core.data.faults import Faults
from arc_core.data.labels import AGES, LabelRow
from arc_core.errors import DatasetError

GROUPS = tuple(AGES.values())


def of_patients(path: Path, rows: Mapping[str, LabelRow], faults: Faults) -> dict[str, LabelRow]:
    """The rows by image_id, each with what is known of its patient. Faults: a patient of two sexes.

    Between visits people grow older: the group is that of the lowest age, as of the first visit.
    """
    patients: dict[str, list[LabelRow]] = defaultdict(list)
    for row in rows.values():
        patients[row.image_id if row.patient_id is None else row.patient_id].append(row)
    known: dict[str, LabelRow] = {}
    for own in patients.values():
        if fault := _two_sexes(path, own):
            faults.add(fault)
        of_patient = {"sex": _sex(own), "age_group": _first_age_group(own)}
        known |= {row.image_id: row.model_copy(update=of_patient) for row in own}
    return known


def _two_sexes(path: Path, own: Iterable[LabelRow]) -> DatasetError | None:
    first = None
    for row in own:
        if row.sex is None:
            continue
        first = first or row
        if row.sex != first.sex:
            return DatasetError(
                f"patient {row.patient_id!r} has two sexes",
                where=f"{path}, lines {first.line} and {row.line}",
                got=f"{first.sex!r} and {row.sex!r}",
                expected="one, written alike in all rows of a patient",
                cure="Correct sex or patient_id in one of the rows.",
            )
    return None


def _sex(own: Iterable[LabelRow]) -> str | None:
    return next((row.sex for row in own if row.sex is not None), None)


def _first_age_group(own: Iterable[LabelRow]) -> str | None:
    groups = [row.age_group for row in own if row.age_group is not None]
    return min(groups, key=GROUPS.index, default=None)
