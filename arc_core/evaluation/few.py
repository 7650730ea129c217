"""Where so few patients are behind a figure that it is printed without its interval."""

from typing import TypeVar

from arc_core.evaluation.subgroups import Subgroup
from arc_core.experiments.metric import Estimate

FEWEST = 10
"""Patients, or images of a class. A percentile interval of the bootstrap is about the mean ± 1.96 ·
√((n − 1) / n) standard errors. Student's t of n − 1 degrees exceeds that with probability 0.10 at 10
patients, and 0.13 at 6, where 0.05 is said; of one patient the interval has no width at all."""
OF_BOTH_CLASSES = ("auc", "sensitivity_at_85", "sensitivity_at_95")
TOLD = (
    f"No interval is printed of fewer than {FEWEST} patients, nor of a figure of both classes with fewer "
    f"than {FEWEST} images of either: the bootstrap's would claim more than so few can tell."
)


Told = TypeVar("Told", bound=Estimate | float | None)


def firm(value: Told, behind: int | None) -> Told | float:
    """The value alone where too few are behind it; as it is where nobody knows how many are."""
    few = behind is not None and behind < FEWEST
    return value.value if few and isinstance(value, Estimate) else value


def in_group(group: Subgroup, metric: str) -> Estimate | float | None:
    """A group's figure; None where it has none."""
    return firm(group.metrics.get(metric), behind(metric, group.patients, group.images, group.positives))


def behind(metric: str, patients: int, images: int, positives: int | None) -> int:
    """How many count for an interval of that metric: of one of both classes, the rarer one's images."""
    if metric in OF_BOTH_CLASSES and positives is not None:
        return min(patients, positives, images - positives)
    return patients
