"""The figures of parts of the cases: by site, by camera, by label, or by whatever groups images."""

from collections.abc import Mapping, Sequence

from arc_core.experiments.metric import Estimate, Task
from arc_core.experiments.result import Case
from arc_core.gate.bootstrap import interval
from arc_core.record import Record

OF_TASK: dict[Task, tuple[str, ...]] = {
    "segmentation": ("disc_dice", "cup_dice", "vcdr_mae", "auc"),
    "classification": ("auc", "sensitivity_at_85", "brier"),
}
FEW_PATIENTS, FEW_OF_A_CLASS = 20, 5


class Subgroup(Record):
    """Metrics that the group does not define, such as an AUC within one class, are left out.

    `small`: fewer than 20 patients, or fewer than 5 images of a class that the group has. It is shown all
    the same, and marked.
    """

    grouping: str
    name: str
    images: int
    patients: int
    positives: int | None
    metrics: dict[str, Estimate]
    small: bool


def subgroups_of(
    cases: Sequence[Case], task: Task, grouping: str, groups: Mapping[str, str]
) -> tuple[Subgroup, ...]:
    """By the name of the group. `groups`: image_id → group; an image without one is in `not known`."""
    members: dict[str, list[Case]] = {}
    for case in cases:
        members.setdefault(groups.get(case.image_id, "not known"), []).append(case)
    return tuple(_subgroup(own, task, grouping, name) for name, own in sorted(members.items()))


def _subgroup(cases: Sequence[Case], task: Task, grouping: str, name: str) -> Subgroup:
    patients = len({case.patient_id for case in cases})
    found = {metric: interval(cases, metric) for metric in OF_TASK[task]}
    labels = [case.label for case in cases if case.label is not None]
    return Subgroup(
        grouping=grouping,
        name=name,
        images=len(cases),
        patients=patients,
        positives=sum(labels) if len(labels) == len(cases) else None,
        metrics={metric: estimate for metric, estimate in found.items() if estimate},
        small=patients < FEW_PATIENTS or any(labels.count(label) < FEW_OF_A_CLASS for label in set(labels)),
    )
