"""What failures forbid: the values beyond which this study's trainings diverge or run out of memory. Pure."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import inf
from operator import attrgetter, gt
from typing import Any, Literal

from arc_core.agents.effects import is_number
from arc_core.experiments.board import Outcome
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.space import Choice, Range, SearchSpace
from arc_core.experiments.spec import ExperimentSpec

Cause = Literal["diverged", "out_of_memory"]

# As arc_core.training words them, from the reason's start: paths, logs and guesses follow later in one.
SAID: dict[Cause, re.Pattern[str]] = {
    "diverged": re.compile(
        r"the training diverged: |the network of fold \d+ predicts values that are not finite"
    ),
    "out_of_memory": re.compile(
        r"the machine ran out of memory"
        r"|OutOfMemoryError: "
        r"|(RuntimeError|AcceleratorError): (CUDA error: out of memory|CUDA out of memory)"
        r"|RuntimeError: \[enforce fail at alloc_cpu"
    ),
}

# Cause → the axes that may have brought it, each with the power at which it drives the need. The batch
# comes last: what is on the device at once is bounded by the machine's micro-batch.
RESPONSIBLE: dict[Cause, dict[str, int]] = {
    "diverged": {"optimiser.lr": 1},
    "out_of_memory": {"image_size_px": 2, "architecture.width": 1, "batch_size": 1},
}
WITHIN: dict[Cause, str] = {"diverged": "optimiser.name", "out_of_memory": "architecture.name"}
"""What a failure teaches holds for the same optimiser, or the same network, only."""

# Name and values in one call; flattening thousands of specs would take ten times as long.
READ: dict[Cause, Callable[[ExperimentSpec], Any]] = {
    cause: attrgetter(WITHIN[cause], *axes) for cause, axes in RESPONSIBLE.items()
}
Reach = tuple[float, ...]
"""The largest values that work, one per responsible axis; 0: none is known."""


def cause_of(reason: str) -> Cause | None:
    """Why a training failed, where its values are to blame; None for all else, which teaches nothing."""
    return next((cause for cause, said in SAID.items() if said.match(reason)), None)


def failure_in_words(reason: str) -> str:
    """Why a training failed, for texts that models may be shown: the reason itself may name a file."""
    cause = cause_of(reason)
    return cause.replace("_", " ") if cause else "not through its values"


def learned(
    outcomes: Sequence[Outcome], space: SearchSpace, spared: Sequence[ExperimentSpec]
) -> tuple[ForbiddenRange, ...]:
    """At most one range per axis and optimiser (or network): from the lowest value that failed to the end.

    `spared`, the baseline and the champion, are never forbidden, nor is a value that has worked with the
    same optimiser (or network): a range lies beyond them all, and is gone once a value above it works.
    None covers the whole of its axis.
    """
    ranges: dict[tuple[str, str], ForbiddenRange] = {}
    for cause, failures in _failures(outcomes).items():
        reach = _reach(cause, (each.spec for each in outcomes if each.result is not None), spared)
        for outcome in failures:
            name, *values = READ[cause](outcome.spec)
            found = _beyond(reach[name], values, cause, space)
            if found is None:
                continue
            path, low, high = found
            if (path, name) not in ranges or low < ranges[path, name].low:
                ranges[path, name] = ForbiddenRange(
                    path=path,
                    low=low,
                    high=high,
                    taught_by=outcome.experiment_id,
                    when={WITHIN[cause]: name},
                )
    return tuple(ranges.values())


def _failures(outcomes: Sequence[Outcome]) -> dict[Cause, list[Outcome]]:
    found: dict[Cause, list[Outcome]] = {}
    for outcome in outcomes:
        if outcome.status == "failed" and (cause := cause_of(outcome.reason)):
            found.setdefault(cause, []).append(outcome)
    return found


def _reach(
    cause: Cause, working: Iterable[ExperimentSpec], spared: Iterable[ExperimentSpec]
) -> Mapping[str, Reach]:
    """Optimiser (or network) → how far its values reach, in trainings that worked or are spared."""
    floor: Reach = (0.0,) * len(RESPONSIBLE[cause])
    for _, *values in map(READ[cause], spared):
        floor = tuple(map(max, floor, values))
    reach: dict[str, Reach] = defaultdict(lambda: floor)
    for name, *values in map(READ[cause], working):
        if any(map(gt, values, reach[name])):
            reach[name] = tuple(map(max, reach[name], values))
    return reach


def _beyond(
    works: Reach, values: Sequence[float], cause: Cause, space: SearchSpace
) -> tuple[str, float, float] | None:
    """What a failure at these values forbids, on the axis that went furthest beyond what works."""
    if not all(works):
        return None
    growth = [
        (value / known) ** power
        for value, known, power in zip(values, works, RESPONSIBLE[cause].values(), strict=True)
    ]
    first = growth.index(max(growth))
    path, value = list(RESPONSIBLE[cause])[first], values[first]
    if growth[first] <= 1 or path not in space.axes:
        return None
    lowest, highest = _ends(space.axes[path])
    return (path, value, highest) if lowest < value <= highest else None


def _ends(axis: Choice | Range) -> tuple[float, float]:
    """The least and the greatest number of the axis; (∞, −∞) where it has none."""
    if isinstance(axis, Range):
        return axis.low, axis.high
    numbers = [float(choice) for choice in axis.choices if is_number(choice)]
    return min(numbers, default=inf), max(numbers, default=-inf)
