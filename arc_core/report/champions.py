"""A study's champions, one after the other: what each changed and gained. Pure, but for `champions_of`."""

from datetime import datetime

from arc_core.agents import wording
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import ACCEPTED
from arc_core.experiments.spec import ExperimentSpec, Value
from arc_core.experiments.study import Study
from arc_core.record import Record
from arc_core.report.summary import spec_in_words


class Champion(Record):
    """`changes`: against the champion before. `gain`: over it, paired, as the gate saw it."""

    number: int
    experiment_id: str
    cycle: int
    since: datetime | None
    metric: Estimate | None
    gain: Estimate | None
    changes: str


def champions_of(memory: Memory, study: Study) -> tuple[Champion, ...]:
    """In the order the gate accepted them; the last one reigns."""
    accepted = [verdict for verdict in memory.verdicts(study.id) if verdict.outcome in ACCEPTED]
    ids = [verdict.experiment_id for verdict in accepted]
    experiments = {each.id: each for each in memory.experiments(study.id, ids)}
    before: ExperimentSpec | None = None
    champions = []
    for verdict in accepted:
        experiment = experiments[verdict.experiment_id]
        outcome = experiment.outcome
        champions.append(
            Champion(
                number=experiment.number,
                experiment_id=experiment.id,
                cycle=outcome.cycle,
                since=experiment.ended,
                metric=outcome.result.metrics.get(study.metric) if outcome.result else None,
                gain=verdict.effect,
                changes=differences(before, outcome.spec) if before else spec_in_words(outcome.spec),
            )
        )
        before = outcome.spec
    return tuple(champions)


def differences(before: ExperimentSpec, after: ExperimentSpec) -> str:
    """`learning rate 0.001 → 0.003, loss dice_ce → focal`; a dash where one has no such value."""
    old, new = before.flat(), after.flat()
    shown = (
        f"{wording.label(path)} {_value(old.get(path))} → {_value(new.get(path))}"
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    )
    return ", ".join(shown)


def _value(value: Value | None) -> str:
    return "–" if value is None else wording.show(value)
