"""The metrics ARC knows, each with its direction, and the interval they come in."""

from typing import Literal

from arc_core.record import Record

Task = Literal["segmentation", "classification"]


class Metric(Record):
    """One figure of merit; compare values with `is_better`, never with `>`."""

    name: str
    label: str
    higher_is_better: bool

    def is_better(self, value: float, than: float) -> bool:
        """Whether `value` is strictly better. NaN is never better."""
        return value > than if self.higher_is_better else value < than

    def gain(self, value: float, over: float) -> float:
        """How much better `value` is, positive when better."""
        return value - over if self.higher_is_better else over - value


METRICS = {
    metric.name: metric
    for metric in (
        Metric(name="mean_dice", label="mean Dice", higher_is_better=True),
        Metric(name="disc_dice", label="disc Dice", higher_is_better=True),
        Metric(name="cup_dice", label="cup Dice", higher_is_better=True),
        Metric(name="vcdr_mae", label="vCDR MAE", higher_is_better=False),
        Metric(name="auc", label="AUC", higher_is_better=True),
        Metric(name="brier", label="Brier score", higher_is_better=False),
    )
}

OF_TASK: dict[Task, tuple[str, ...]] = {"segmentation": tuple(METRICS), "classification": ("auc", "brier")}
PRIMARY: dict[Task, str] = {"segmentation": "mean_dice", "classification": "auc"}


class Estimate(Record):
    """A value with its interval (95 % where nothing else is said) and the patients behind it."""

    value: float
    low: float
    high: float
    patients: int | None = None

    def __str__(self) -> str:
        # No-break spaces: a value and its interval stay on one line of any table.
        return f"{self.value:.3f}\N{NO-BREAK SPACE}[{self.low:.3f},\N{NO-BREAK SPACE}{self.high:.3f}]"
