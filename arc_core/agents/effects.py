"""What past changes did to the primary metric: the one statistic all offline minds learn from."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from arc_core.experiments.board import Outcome
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.spec import Value

MAX_AXES = 3  # a pair that differs in more says little about any one of them
MAX_REFERENCES = 16
Flat = dict[str, Value]


@dataclass(frozen=True, slots=True)
class Run:
    """A measured experiment: its outcome, the primary metric's estimate and its flattened spec."""

    outcome: Outcome
    estimate: Estimate
    flat: Flat


@dataclass(frozen=True, slots=True)
class Effect:
    """One comparison: `child` differs from `parent` in `changes` (path → old, new) and gained `gain`.

    `clear`: the two intervals do not overlap.
    """

    child: Outcome
    parent: Outcome
    changes: Mapping[str, tuple[Value, Value]]
    gain: float
    clear: bool

    @property
    def ids(self) -> tuple[str, str]:
        return self.child.experiment_id, self.parent.experiment_id


def estimate_of(outcome: Outcome, metric: str) -> Estimate | None:
    """The outcome's measured value; None while there is none, and when it is not a number."""
    found = outcome.result.metrics.get(metric) if outcome.result is not None else None
    return found if found is not None and math.isfinite(found.value) else None


def measured(outcomes: Iterable[Outcome], metric: str) -> list[Run]:
    """The outcomes that have a value, in their order."""
    found = ((outcome, estimate_of(outcome, metric)) for outcome in outcomes)
    return [
        Run(outcome, estimate, outcome.spec.flat()) for outcome, estimate in found if estimate is not None
    ]


def differing(child: Flat, parent: Flat) -> dict[str, tuple[Value, Value]]:
    """Axes on which two specs differ, path → (parent's, child's). A new loss counts once."""
    changed = {
        path: (parent[path], value)
        for path, value in child.items()
        if path in parent and parent[path] != value
    }
    if "loss.name" in changed:
        return {path: pair for path, pair in changed.items() if not path.startswith("loss.params.")}
    return changed


def effects_of(outcomes: Iterable[Outcome], metric: str) -> tuple[Effect, ...]:
    """Each measured experiment against the nearest reference, where at most three axes differ.

    References are the study's first experiment and every earlier cycle's record holder, so the work
    grows linearly with the number of experiments.
    """
    runs = measured(outcomes, metric)
    references, effects = runs[:1], []
    for _, group in groupby(runs, key=lambda run: run.outcome.cycle):
        cycle = list(group)
        for run in cycle:
            effects += _against(run, references, metric)
        best = best_of(cycle, metric)
        if METRICS[metric].is_better(best.estimate.value, references[-1].estimate.value):
            references = [references[0], *references[1:][2 - MAX_REFERENCES :], best]
    return tuple(effects)


def best_of(runs: Sequence[Run], metric: str) -> Run:
    """The best run; among equals the first."""
    best = runs[0]
    for run in runs[1:]:
        if METRICS[metric].is_better(run.estimate.value, best.estimate.value):
            best = run
    return best


def _against(run: Run, references: Sequence[Run], metric: str) -> list[Effect]:
    nearest: tuple[Run, dict[str, tuple[Value, Value]]] | None = None
    for reference in reversed(references):
        if reference is run:
            continue
        changes = differing(run.flat, reference.flat)
        if changes and (nearest is None or len(changes) < len(nearest[1])):
            nearest = reference, changes
    if nearest is None or len(nearest[1]) > MAX_AXES:
        return []
    reference, changes = nearest
    mine, theirs = run.estimate, reference.estimate
    gain = METRICS[metric].gain(mine.value, over=theirs.value)
    clear = mine.low > theirs.high or mine.high < theirs.low
    return [Effect(run.outcome, reference.outcome, changes, gain, clear)]


class Evidence:
    """Effects by axis: what was learned about each, and from which experiments.

    A gain made by several changes together is shared between them equally.
    """

    def __init__(self, outcomes: Iterable[Outcome], metric: str) -> None:
        self.effects = effects_of(outcomes, metric)
        self._by_axis: dict[str, list[Effect]] = {}
        for effect in self.effects:
            for path in effect.changes:
                self._by_axis.setdefault(path, []).append(effect)

    def on(self, *paths: str) -> tuple[Effect, ...]:
        """The effects that changed any of these axes, each once."""
        found = {id(effect): effect for path in paths for effect in self._by_axis.get(path, ())}
        return tuple(found.values())

    @property
    def axes(self) -> tuple[str, ...]:
        return tuple(self._by_axis)

    def mean_gain(self, path: str) -> float | None:
        """Mean share of the gain when the axis changed; None where it never did."""
        return _mean([effect.gain / len(effect.changes) for effect in self._by_axis.get(path, ())])

    def expected(self, path: str, old: Value, new: Value) -> float | None:
        """Mean gain of similar steps; None where nothing similar was tried."""
        return _mean(self.similar(path, old, new))

    def similar(self, path: str, old: Value, new: Value) -> tuple[float, ...]:
        """Gains of similar steps: the same direction for numbers, the same value for names.

        A step the other way counts with its sign turned.
        """
        signed = (
            (_agreement(old, new, *effect.changes[path]), effect) for effect in self._by_axis.get(path, ())
        )
        return tuple(sign * effect.gain / len(effect.changes) for sign, effect in signed if sign)


def is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _agreement(old: Value, new: Value, before: Value, after: Value) -> int:
    """1 where the step before → after goes like old → new, −1 where it goes against it, 0 for neither."""
    if is_number(old) and is_number(new) and is_number(before) and is_number(after):
        return 1 if (float(new) > float(old)) == (float(after) > float(before)) else -1
    if after == new:
        return 1
    return -1 if before == new else 0


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
