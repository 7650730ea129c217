"""What the gate said: every verdict with its figures, and the noise floor that it judges by."""

from math import inf
from statistics import fmean

from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS
from arc_core.experiments.result import NoiseFloor, Verdict
from arc_core.experiments.study import Study
from arc_core.gate.contrast import floor_of, least_gain
from arc_core.gate.declared import Declared, declared
from arc_core.gate.spending import allowance
from arc_core.gate.verdict import percent, signed
from arc_core.record import Record
from arc_core.report.summary import printable

SHOWN = 50


class VerdictRow(Record):
    """One verdict in the report's words; a dash where there is none of it."""

    number: int
    experiment_id: str
    outcome: str
    gain: str
    level: str
    comparison: str
    error: str
    reason: str


class GateReport(Record):
    """`least_gain`: what the next comparison can promote at the very least; `is_hopeless`: more than
    there is between the champion and the best value. `repeated`: number of an
    experiment → the primary metric of each of its trainings. `waiting`: how many repeats are still to be
    trained."""

    label: str
    declared: Declared | None
    least_gain: float | None
    is_hopeless: bool
    comparisons: int
    promoted: int
    floor: NoiseFloor | None
    repeated: dict[int, str]
    waiting: int
    rows: tuple[VerdictRow, ...]
    left_out: int


def told_of_gate(memory: Memory, study: Study) -> GateReport:
    """Of a study; the newest verdict first."""
    values, verdicts = memory.repeats.values(study.id, study.metric), memory.verdicts(study.id)
    shown = verdicts[::-1][:SHOWN]
    ids = {*values, *(verdict.experiment_id for verdict in shown)}
    numbers = {each.id: each.number for each in memory.experiments(study.id, ids)}
    comparisons, floor = memory.comparisons(study.id), floor_of(tuple(values.values()))
    known, least = declared(memory.ledger, study.id), None
    if known is not None and floor is not None:
        gate = known.gate
        least = least_gain(floor, gate.seeds, allowance(gate.alpha, comparisons))
    return GateReport(
        label=METRICS[study.metric].label,
        declared=known,
        least_gain=least,
        is_hopeless=least is not None and least > _left_to_gain(memory, study, values),
        comparisons=len(comparisons),
        promoted=sum(comparisons),
        floor=floor,
        repeated={
            numbers[each]: ", ".join(f"{value:.3f}" for value in values[each])
            for each in sorted(values, key=numbers.__getitem__)
        },
        waiting=len(memory.repeats.pending(study.id)),
        rows=tuple(_row(numbers[verdict.experiment_id], verdict) for verdict in shown),
        left_out=len(verdicts) - len(shown),
    )


def _left_to_gain(memory: Memory, study: Study, values: dict[str, tuple[float, ...]]) -> float:
    """From the mean over the champion's trainings to the best that the metric can be."""
    champion, metric = memory.champion(study.id), METRICS[study.metric]
    own = values.get(champion.id, ()) if champion is not None else ()
    return metric.gain(metric.best, fmean(own)) if own else inf


def _row(number: int, verdict: Verdict) -> VerdictRow:
    compared = verdict.champion_id is not None
    error = f"{verdict.p_value:.2g}" if verdict.p_value is not None else "–"
    return VerdictRow(
        number=number,
        experiment_id=verdict.experiment_id,
        outcome=verdict.outcome,
        gain=signed(verdict.effect) if verdict.effect is not None else "–",
        level=percent(verdict.level) if verdict.level is not None else "–",
        comparison=str(verdict.comparisons) if compared else "–",
        error=f"{error} / {verdict.allowance:.2g}" if verdict.allowance is not None else "–",
        reason=printable(verdict.reason),
    )
