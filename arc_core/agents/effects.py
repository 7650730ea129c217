"""What past changes did to the primary metric: the one statistic all offline minds learn from."""

import math
import operator
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from arc_core.experiments.board import Outcome
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.spec import Value

MAX_AXES = 3  # a pair that differs in more says little about any one of them
MAX_REFERENCES = 16
Flat = dict[str, Value]


@dataclass(frozen=True)
class Run:
    """A measured experiment: its outcome and the primary metric's estimate."""

    outcome: Outcome
    estimate: Estimate

    @cached_property
    def flat(self) -> Flat:
        """Its flattened spec."""
        return self.outcome.spec.flat()

    @cached_property
    def fixed(self) -> tuple[Value, ...]:
        """Its values but for the parameters of its loss, in the order all specs share."""
        return self.outcome.spec.fixed()


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
    return [Run(outcome, estimate) for outcome, estimate in found if estimate is not None]


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
    return _effects(measured(outcomes, metric), metric)


def _effects(runs: Sequence[Run], metric: str) -> tuple[Effect, ...]:
    references, effects = runs[:1], []
    apart = [0]
    for _, group in groupby(runs, key=lambda run: run.outcome.cycle):
        cycle = list(group)
        for run in cycle:
            effects += _against(run, references, apart, metric)
        best = best_of(cycle, metric)
        if METRICS[metric].is_better(best.estimate.value, references[-1].estimate.value):
            references = [references[0], *references[1:][2 - MAX_REFERENCES :], best]
            apart = [_count(reference, best) for reference in references]
    return tuple(effects)


def _count(one: Run, other: Run) -> int:
    return sum(map(operator.ne, one.fixed, other.fixed))


def best_of(runs: Sequence[Run], metric: str) -> Run:
    """The best run; among equals the first."""
    best = runs[0]
    for run in runs[1:]:
        if METRICS[metric].is_better(run.estimate.value, best.estimate.value):
            best = run
    return best


def _against(run: Run, references: Sequence[Run], apart: Sequence[int], metric: str) -> list[Effect]:
    """The comparison with the nearest reference, of equally near ones with the latest; none if all are far.

    `apart`: each reference's count of differences from the last one.
    """
    nearest: tuple[Run, dict[str, tuple[Value, Value]]] | None = None
    fewest, own, from_last = MAX_AXES + 1, run.fixed, _count(run, references[-1])
    for reference, step in zip(reversed(references), reversed(apart), strict=True):
        # Naming the differences is dear, counting them cheap, and the triangle inequality free.
        if step - from_last >= fewest or reference is run:
            continue
        if step and sum(map(operator.ne, own, reference.fixed)) >= fewest:
            continue
        changes = differing(run.flat, reference.flat)
        if changes and len(changes) < fewest:
            nearest, fewest = (reference, changes), len(changes)
        if fewest == 1:
            break
    if nearest is None:
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
        self.outcomes = tuple(outcomes)
        self.runs = measured(self.outcomes, metric)
        self.effects = _effects(self.runs, metric)
        self._similar: dict[tuple[Value, ...], tuple[float, ...]] = {}
        self._by_axis: dict[str, list[Effect]] = {}
        for effect in self.effects:
            for path in effect.changes:
                self._by_axis.setdefault(path, []).append(effect)

    def on(self, *paths: str) -> tuple[Effect, ...]:
        """The effects that changed any of these axes, each once."""
        found = {id(effect): effect for path in paths for effect in self._by_axis.get(path, ())}
        return tuple(found.values())

    @cached_property
    def flats(self) -> tuple[Flat, ...]:
        """The flattened spec of every outcome, measured or not."""
        known = {run.outcome.experiment_id: run for run in self.runs}
        return tuple(
            known[o.experiment_id].flat if o.experiment_id in known else o.spec.flat() for o in self.outcomes
        )

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
        numbers = is_number(old) and is_number(new)
        alike = (path, float(new) > float(old)) if numbers else (path, old, new)
        if alike not in self._similar:
            self._similar[alike] = tuple(self._gains_like(path, old, new))
        return self._similar[alike]

    def _gains_like(self, path: str, old: Value, new: Value) -> Iterator[float]:
        for effect in self._by_axis.get(path, ()):
            if sign := _agreement(old, new, *effect.changes[path]):
                yield sign * effect.gain / len(effect.changes)


_latest: dict[str, Evidence] = {}


def evidence_of(outcomes: tuple[Outcome, ...], metric: str) -> Evidence:
    """`Evidence`, made once for all minds that are shown the very same outcomes one after the other."""
    known = _latest.get(metric)
    if known is None or not _same(known.outcomes, outcomes):
        known = _latest[metric] = Evidence(outcomes, metric)
    return known


def forget() -> None:
    """Let go of it: after a meeting it is 2 kB an experiment that nobody asks for again."""
    _latest.clear()


def _same(ones: Sequence[Outcome], others: Sequence[Outcome]) -> bool:
    """Whether these are the same objects: frozen, so nothing in them can have changed."""
    return len(ones) == len(others) and all(map(operator.is_, ones, others))


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
