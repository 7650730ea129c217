"""Which experiments are best when several metrics count: the Pareto front, and the volume it dominates.

An experiment is dominated where another is at least as good in every objective and better in one. The
hypervolume (Zitzler & Thiele, IEEE TEC 1999) is the share of the unit cube, between the worst and the best
values there can be, that lies behind the front. Both are computed by moocore. Values are compared as
measured: two points within each other's intervals may differ by chance. Pure.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from arc_core.experiments.board import Outcome
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.objectives import Objectives, broken
from arc_core.record import Record

Place = Literal["front", "dominated", "constraint", "unmeasured"]


class Contender(Record):
    """A measured experiment. `why`: the objectives whose bound it breaks, or that it was not measured in."""

    number: int
    experiment_id: str
    cycle: int
    metrics: dict[str, Estimate]
    place: Place
    why: tuple[str, ...] = ()

    def point(self, axes: Sequence[str]) -> list[float]:
        return [self.metrics[name].value for name in axes]


class Volume(Record):
    """The hypervolume of all experiments up to the end of a cycle, from 0 to 1."""

    cycle: int
    value: float


class Front(Record):
    """`axes`: the objectives that count. `absent`: those that no experiment of the study was measured in."""

    axes: tuple[str, ...]
    absent: tuple[str, ...]
    contenders: tuple[Contender, ...]
    volumes: tuple[Volume, ...]

    def at(self, place: Place) -> tuple[Contender, ...]:
        """In order of approval."""
        return tuple(each for each in self.contenders if each.place == place)


def front_of(outcomes: Sequence[Outcome], objectives: Objectives) -> Front:
    """Where each measured experiment of a study stands. `outcomes`: all of the study's, in order of approval.

    An experiment that breaks a constraint, or lacks an objective that others were measured in, is not on
    the front and dominates nothing.
    """
    found = {o.experiment_id: _finite(o, objectives) for o in outcomes if o.result is not None}
    axes = tuple(name for name in objectives if any(name in metrics for metrics in found.values()))
    contenders = [
        _contender(number, outcome, found[outcome.experiment_id], objectives, axes)
        for number, outcome in enumerate(outcomes, start=1)
        if outcome.experiment_id in found
    ]
    eligible = [each for each in contenders if each.place == "front"]
    on = nondominated([each.point(axes) for each in eligible], axes)
    dominated = {each.number for each, keeps in zip(eligible, on, strict=True) if not keeps}
    return Front(
        axes=axes,
        absent=tuple(name for name in objectives if name not in axes),
        contenders=tuple(
            each.model_copy(update={"place": "dominated"}) if each.number in dominated else each
            for each in contenders
        ),
        volumes=_volumes(eligible, axes, sorted({outcome.cycle for outcome in outcomes})),
    )


def nondominated(points: Sequence[Sequence[float]], axes: Sequence[str]) -> NDArray[np.bool_]:
    """Whether no other of `points`, one value per axis, dominates each; equal points stay together."""
    if not points:
        return np.zeros(0, bool)
    import moocore  # 0.1 s that importing the flows need not pay

    kept: NDArray[np.bool_] = moocore.is_nondominated(
        np.asarray(points, np.float64), maximise=_upwards(axes), keep_weakly=True
    )
    return kept


def hypervolume(points: Sequence[Sequence[float]], axes: Sequence[str]) -> float:
    """Of `points` against the worst value of each axis; 0 without any."""
    if not points:
        return 0.0
    import moocore

    worst = [METRICS[name].worst for name in axes]
    return float(moocore.hypervolume(np.asarray(points, np.float64), ref=worst, maximise=_upwards(axes)))


def _upwards(axes: Sequence[str]) -> list[bool]:
    return [METRICS[name].higher_is_better for name in axes]


def _finite(outcome: Outcome, objectives: Objectives) -> dict[str, Estimate]:
    metrics = outcome.result.metrics if outcome.result is not None else {}
    return {
        name: metrics[name] for name in objectives if name in metrics and math.isfinite(metrics[name].value)
    }


def _contender(
    number: int,
    outcome: Outcome,
    metrics: Mapping[str, Estimate],
    objectives: Objectives,
    axes: Sequence[str],
) -> Contender:
    """On the front until another is seen to dominate it."""
    breaks, lacks = broken(objectives, metrics), tuple(name for name in axes if name not in metrics)
    return Contender(
        number=number,
        experiment_id=outcome.experiment_id,
        cycle=outcome.cycle,
        metrics=dict(metrics),
        place="constraint" if breaks else "unmeasured" if lacks else "front",
        why=breaks or lacks,
    )


def _volumes(eligible: Sequence[Contender], axes: Sequence[str], cycles: Sequence[int]) -> tuple[Volume, ...]:
    """After each cycle. What is dominated once stays so: only the front is carried on."""
    volumes, carried = [], list[list[float]]()
    if not axes:
        return ()
    by_cycle: dict[int, list[list[float]]] = {}
    for each in eligible:
        by_cycle.setdefault(each.cycle, []).append(each.point(axes))
    value = 0.0
    for cycle in cycles:
        if new := by_cycle.get(cycle):
            both = carried + new
            on = nondominated(both, axes)
            if on[len(carried) :].any():  # in a long study few cycles reach the front
                carried = [point for point, keeps in zip(both, on, strict=True) if keeps]
                value = hypervolume(carried, axes)
        volumes.append(Volume(cycle=cycle, value=value))
    return tuple(volumes)
