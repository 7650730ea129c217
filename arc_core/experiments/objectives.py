"""What a study is after beside its primary metric: several metrics, some with a bound that must hold."""

from collections.abc import Mapping

from pydantic import Field

from arc_core.errors import ConfigError
from arc_core.experiments.metric import METRICS, OF_TASK, Estimate, Metric, Task
from arc_core.record import Record


class Objective(Record):
    """One metric of config group `objectives`; which way is better is the metric's own."""

    constraint: float | None = Field(
        None, ge=0, le=1, description="a bound that must hold: at least, or at most where lower is better"
    )

    def holds(self, metric: Metric, value: float) -> bool:
        """Whether `value` keeps the bound; NaN keeps none."""
        return self.constraint is None or value == self.constraint or metric.is_better(value, self.constraint)


Objectives = Mapping[str, Objective]
"""By the metric's name."""


def check_objectives(objectives: Objectives, task: Task) -> None:
    """ConfigError for a metric that the task doesn't have, and for a classification without AUC."""
    for name in objectives:
        if name not in OF_TASK[task]:
            raise ConfigError(
                f"no metric of {task}",
                where=f"objectives.{name}",
                cure=f"Choose from {', '.join(OF_TASK[task])}.",
            )
    if task == "classification" and "auc" not in objectives:
        raise ConfigError(
            "AUC is an objective of every classification study",
            where="objectives",
            got=", ".join(objectives) or "none",
            cure="Leave auc among the objectives; to judge by another metric, set metric.",
        )


def broken(objectives: Objectives, metrics: Mapping[str, Estimate]) -> tuple[str, ...]:
    """The objectives whose bound these metrics break. A metric that is not there breaks none."""
    return tuple(
        name
        for name, objective in objectives.items()
        if name in metrics and not objective.holds(METRICS[name], metrics[name].value)
    )


def in_words(name: str, objective: Objective) -> str:
    """`DRI, at least 0.6`; the metric's label alone where no bound must hold."""
    metric = METRICS[name]
    if objective.constraint is None:
        return metric.label
    return f"{metric.label}, at {'least' if metric.higher_is_better else 'most'} {objective.constraint:g}"
