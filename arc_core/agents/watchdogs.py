"""Watchdogs: results that drift, proposals that repeat or resemble each other. Pure.

A window looks at the latest few experiments or cycles only, so that a long study costs no more.
"""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Literal

from arc_core.agents.conduct import (
    FORCED,
    RECENT,
    Conduct,
    Direction,
    ProposalsByCycle,
    conduct,
    forced_by,
)
from arc_core.agents.effects import estimate_of
from arc_core.experiments.board import Alarm, Outcome
from arc_core.experiments.metric import METRICS
from arc_core.experiments.space import SearchSpace
from arc_core.experiments.spec import ExperimentSpec

MEASURED = 10  # latest measured experiments that a drift is read from
FEWEST = 5  # of them, and of proposals, before anything is said
SLOPE = -0.01  # gain from one experiment to the next
DROP = -0.05  # gain of the latest over the mean of the three before it
# What n proposals have when they are spread evenly over only √n kinds. On the tests' known surface the
# offline board stays over 0.7, and repeats under a third in five cycles.
VARIETY = 0.5
REPEATS = 0.5  # share of the recent proposals


def watch(
    outcomes: Sequence[Outcome],
    proposals_by_cycle: ProposalsByCycle,
    space: SearchSpace,
    metric: str,
    baseline: ExperimentSpec | None = None,
) -> tuple[Alarm, ...]:
    """What gives cause for alarm before the next cycle.

    `outcomes`: oldest first. `proposals_by_cycle`: of the latest cycles, and an empty entry for one
    without any; the next cycle is the one after them. `baseline`: the parent of a proposal that names
    none. A `mode_collapse` sounds through all the cycles that it forces to explore.
    """
    conducts = conduct(outcomes, proposals_by_cycle, space, baseline)
    next_cycle = max(proposals_by_cycle, default=0) + 1
    alarms = (
        _drift(outcomes, proposals_by_cycle, metric),
        _diversity(conducts[-RECENT:], outcomes),
        _duplicates(conducts[-RECENT:], outcomes),
        _mode_collapse(forced_by(conducts, next_cycle), outcomes),
    )
    return tuple(alarm for alarm in alarms if alarm is not None)


def _drift(outcomes: Sequence[Outcome], proposals: ProposalsByCycle, metric: str) -> Alarm | None:
    """Whether results grow worse, by their trend or by the latest alone; a control is the board's no more."""
    board_s = (each for each in reversed(outcomes) if not _is_control(each, proposals))
    found = ((each, estimate) for each in board_s if (estimate := estimate_of(each, metric)))
    latest = [(each.experiment_id, estimate.value) for each, estimate in islice(found, MEASURED)][::-1]
    if len(latest) < FEWEST:
        return None
    ids, values = zip(*latest, strict=True)
    gains = [METRICS[metric].gain(value, over=0.0) for value in values]
    slope = round(statistics.linear_regression(range(len(gains)), gains).slope, 12)
    drop = round(gains[-1] - statistics.fmean(gains[-4:-1]), 12)  # 0.75 − 0.8 is under −0.05 in floats
    label = METRICS[metric].label
    if slope < SLOPE:
        text = f"{label} worsens by {-slope:.3f} per experiment over the latest {len(gains)}"
        return Alarm(watchdog="drift", text=text, experiment_ids=ids)
    if drop < DROP:
        text = f"{label} of {ids[-1]} is {-drop:.3f} worse than the mean of the three before it"
        return Alarm(watchdog="drift", text=text, experiment_ids=ids[-4:])
    return None


def _is_control(outcome: Outcome, proposals: ProposalsByCycle) -> bool:
    made = proposals.get(outcome.cycle, ())
    return any(each.proposer == "control" and each.spec == outcome.spec for each in made)


def _diversity(recent: Sequence[Conduct], outcomes: Sequence[Outcome]) -> Alarm | None:
    """Whether the recent changes are of few kinds. A kind: the axes changed, which way, to which name."""
    kinds = Counter(_kind(way) for each in recent for way in each.directions)
    count = kinds.total()
    if count < FEWEST:
        return None
    share = variety(kinds.values())
    if share >= VARIETY:
        return None
    text = (
        f"the latest {count} changes are of {len(kinds)} kind{'s' if len(kinds) > 1 else ''}: "
        f"{share:.0%} of the entropy that as many could have"
    )
    return _of_cycles("diversity", text, recent, outcomes)


def variety(counts: Iterable[int]) -> float:
    """Entropy of the kinds over its maximum, log n for n things that are all different; 1 for one thing."""
    shown = tuple(counts)
    total = sum(shown)
    if total < 2:
        return 1.0
    return math.fsum(n / total * math.log(total / n) for n in shown) / math.log(total)


def _kind(way: Direction) -> frozenset[object]:
    return frozenset((axis, value > 0) for axis, value in way.items())


def _duplicates(recent: Sequence[Conduct], outcomes: Sequence[Outcome]) -> Alarm | None:
    proposed, repeats = sum(each.proposed for each in recent), sum(each.repeats for each in recent)
    if proposed < FEWEST or repeats <= REPEATS * proposed:
        return None
    text = f"{repeats} of the latest {proposed} proposals had been tried or proposed before"
    return _of_cycles("duplicates", text, recent, outcomes)


def _mode_collapse(window: Sequence[Conduct], outcomes: Sequence[Outcome]) -> Alarm | None:
    if not window:
        return None
    first, last = window[0].cycle, window[-1].cycle
    text = (
        f"{sum(each.is_collapsed for each in window)} cycles from {first} to {last} proposed what was known, "
        f"or one direction only; exploration is forced up to cycle {last + FORCED}"
    )
    return _of_cycles("mode_collapse", text, window, outcomes)


def _of_cycles(
    watchdog: Literal["diversity", "duplicates", "mode_collapse"],
    text: str,
    window: Sequence[Conduct],
    outcomes: Sequence[Outcome],
) -> Alarm | None:
    """The alarm with the experiments of those cycles; where they ran none, with the last before them.

    A proposal that never ran has no experiment. None where the study has none at all.
    """
    cycles = {each.cycle for each in window}
    ids: list[str] = []
    for outcome in reversed(outcomes):
        if outcome.cycle < window[0].cycle:
            ids = ids or [outcome.experiment_id]
            break
        if outcome.cycle in cycles:
            ids.append(outcome.experiment_id)
    return Alarm(watchdog=watchdog, text=text, experiment_ids=tuple(reversed(ids))) if ids else None
