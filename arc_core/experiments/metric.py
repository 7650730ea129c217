"""The metrics ARC knows, each with its direction, and the interval they come in."""

from typing import Literal

from pydantic.dataclasses import dataclass

from arc_core.record import Record

Task = Literal["segmentation", "classification"]


class Metric(Record):
    """One figure of merit, from 0 to 1; compare values with `is_better`, never with `>`."""

    name: str
    label: str
    higher_is_better: bool

    def is_better(self, value: float, than: float) -> bool:
        """Whether `value` is strictly better. NaN is never better."""
        return value > than if self.higher_is_better else value < than

    def gain(self, value: float, over: float) -> float:
        """How much better `value` is, positive when better."""
        return value - over if self.higher_is_better else over - value

    @property
    def best(self) -> float:
        """The best value there can be."""
        return 1.0 - self.worst

    @property
    def worst(self) -> float:
        """The worst value there can be."""
        return 0.0 if self.higher_is_better else 1.0


METRICS = {
    metric.name: metric
    for metric in (
        Metric(name="mean_dice", label="mean Dice", higher_is_better=True),
        Metric(name="disc_dice", label="disc Dice", higher_is_better=True),
        Metric(name="cup_dice", label="cup Dice", higher_is_better=True),
        Metric(name="vcdr_mae", label="vCDR MAE", higher_is_better=False),
        Metric(name="auc", label="AUC", higher_is_better=True),
        Metric(name="brier", label="Brier score", higher_is_better=False),
        Metric(name="sensitivity_at_85", label="sensitivity at 85 % specificity", higher_is_better=True),
        Metric(name="sensitivity_at_95", label="sensitivity at 95 % specificity", higher_is_better=True),
        Metric(name="dri", label="DRI", higher_is_better=True),
    )
}

_OF_A_PROBABILITY = ("auc", "brier", "sensitivity_at_85", "sensitivity_at_95")
_OF_MASKS = ("mean_dice", "disc_dice", "cup_dice", "vcdr_mae")

OF_TASK: dict[Task, tuple[str, ...]] = {
    "segmentation": _OF_MASKS + _OF_A_PROBABILITY,
    "classification": (*_OF_A_PROBABILITY, "dri"),
}
PRIMARY: dict[Task, str] = {"segmentation": "mean_dice", "classification": "auc"}


@dataclass(frozen=True, slots=True, kw_only=True, config={"extra": "forbid"})
class Estimate:
    """A value with its interval (95 % where nothing else is said) and the patients behind it.

    A long loop holds thousands: without a dictionary each, they take half as much as records.
    """

    value: float
    low: float
    high: float
    patients: int | None = None

    @property
    def foretells(self) -> bool:
        """Whether a prediction says anything; every metric ARC knows lies in [0, 1]."""
        return self.low > 0 or self.high < 1

    def __str__(self) -> str:
        # No-break spaces: a value and its interval stay on one line of any table.
        return f"{self.value:.3f}\N{NO-BREAK SPACE}[{self.low:.3f},\N{NO-BREAK SPACE}{self.high:.3f}]"
