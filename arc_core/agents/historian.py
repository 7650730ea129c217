"""The historian: statistics over everything tried."""

import math
from collections.abc import Iterable, Sequence

from arc_core.agents import wording
from arc_core.agents.briefs import RecallBrief
from arc_core.agents.effects import Effect, Run, best_of, evidence_of, measured
from arc_core.agents.forbidden import failure_in_words
from arc_core.agents.watchdogs import watch
from arc_core.experiments.board import History, Lesson, Outcome, Role, Trends
from arc_core.experiments.metric import METRICS, Estimate

RECENT = 50
PATTERNS = 10
LESSONS = 20
FAILURES = 10


class Historian:
    role: Role = "historian"

    def answer(self, brief: RecallBrief) -> History:
        outcomes, metric = brief.outcomes, brief.metric
        failed = [outcome for outcome in outcomes if outcome.status == "failed"]
        evidence = evidence_of(outcomes, metric)
        by_cycle = _best_by_cycle(evidence.runs, metric)
        effects = sorted(evidence.effects, key=lambda effect: -abs(effect.gain))
        gains = [effect for effect in effects if effect.gain > 0]
        return History(
            total_cycles=len({outcome.cycle for outcome in outcomes}),
            total_experiments=len(outcomes),
            best=_best(outcomes),
            best_by_cycle=by_cycle,
            recent_experiments=outcomes[-RECENT:],
            pending=tuple(each.experiment_id for each in outcomes if not each.has_ended),
            failed_configs=tuple(dict.fromkeys(outcome.spec_id for outcome in failed)),
            successful_patterns=_lessons(gains[:PATTERNS], metric),
            trends=_trends(by_cycle, metric),
            lessons=_lessons(effects[:LESSONS], metric) + _failures(failed[-FAILURES:]),
            alarms=watch(outcomes, brief.proposals_by_cycle, brief.space, metric, brief.baseline),
        )


def _best(outcomes: Iterable[Outcome]) -> dict[str, Estimate]:
    best: dict[str, Estimate] = {}
    for outcome in outcomes:
        for name, found in outcome.result.metrics.items() if outcome.result is not None else ():
            if name in best and not METRICS[name].is_better(found.value, best[name].value):
                continue  # so it is with nearly all of them
            if name in METRICS and math.isfinite(found.value):
                best[name] = found
    return best


def _best_by_cycle(runs: Iterable[Run], metric: str) -> tuple[float, ...]:
    """The best value each cycle reached by itself, so that a regression shows."""
    cycles: dict[int, list[Run]] = {}
    for run in runs:
        cycles.setdefault(run.outcome.cycle, []).append(run)
    return tuple(best_of(cycles[cycle], metric).estimate.value for cycle in sorted(cycles))


def trends(outcomes: Iterable[Outcome], metric: str) -> Trends:
    """How many of the latest cycles in a row brought no new best, and how many a worse one each."""
    return _trends(_best_by_cycle(measured(outcomes, metric), metric), metric)


def _trends(by_cycle: Sequence[float], metric: str) -> Trends:
    better = METRICS[metric].is_better
    stale = regressions = 0
    best: float | None = None
    for before, value in zip((None, *by_cycle), by_cycle, strict=False):
        stale = 0 if best is None or better(value, best) else stale + 1
        best = value if stale == 0 else best
        regressions = regressions + 1 if before is not None and better(before, value) else 0
    return Trends(cycles_without_improvement=stale, consecutive_regressions=regressions)


def _lessons(effects: Iterable[Effect], metric: str) -> tuple[Lesson, ...]:
    return tuple(
        Lesson(text=wording.finding(effect, metric), experiment_ids=effect.ids) for effect in effects
    )


def _failures(failed: Iterable[Outcome]) -> tuple[Lesson, ...]:
    return tuple(
        Lesson(
            text=f"{outcome.experiment_id} failed: {failure_in_words(outcome.reason)}",
            experiment_ids=(outcome.experiment_id,),
        )
        for outcome in failed
    )


MIND = Historian()
