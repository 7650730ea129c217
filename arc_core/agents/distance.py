"""How far apart two specs lie within the search space."""

import math
from collections.abc import Mapping

from arc_core.agents.effects import is_number
from arc_core.experiments.space import Choice, Range
from arc_core.experiments.spec import Value

Axes = Mapping[str, Choice | Range]
Flat = Mapping[str, Value]


def distance(axes: Axes, one: Flat, other: Flat) -> float:
    """Sum over the axes of the step between the two, each from 0 (equal) to 1 (end to end)."""
    return math.fsum(
        step(axis, one[path], other[path])
        for path, axis in axes.items()
        if path in one and path in other and one[path] != other[path]
    )


def step(axis: Choice | Range, one: Value, other: Value) -> float:
    """How far the axis reaches from one value to another, from 0 (equal) to 1 (end to end, other name)."""
    if not (is_number(one) and is_number(other)):
        return 1.0
    first, second = float(one), float(other)
    if isinstance(axis, Choice):
        return _ranks_apart(axis, first, second)
    if axis.log and min(first, second) > 0:
        return min(abs(math.log(first / second)) / math.log(axis.high / axis.low), 1.0)
    return min(abs(first - second) / (axis.high - axis.low), 1.0)


def _ranks_apart(axis: Choice, one: float, other: float) -> float:
    """Numbers among a few choices count in steps of the list; one beside the list counts as its nearest."""
    values = sorted(float(choice) for choice in axis.choices if is_number(choice))
    if len(values) < 2:
        return 1.0
    first, second = (min(range(len(values)), key=lambda i: abs(values[i] - value)) for value in (one, other))
    return max(abs(first - second), 0.5) / (len(values) - 1)
