"""What each class weighs in a loss, from how often it occurs in the training fold. Loads no torch."""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

Weighting = Literal["none", "balanced", "effective_number"]


class Classes(NamedTuple):
    """The classes of a training fold, in their order: normal, glaucoma; or background, rim, cup."""

    counts: tuple[int, ...]
    """Cases, or pixels, of each; empty where they were not counted."""
    weights: tuple[float, ...] | None = None
    """What each weighs in the loss, 1 on average; None: all the same."""


def classes_of(weighting: Weighting, counts: Sequence[int]) -> Classes:
    """`counts` with the weights that a spec asks for."""
    return Classes(tuple(counts), None if weighting == "none" else class_weights(weighting, counts))


def class_weights(
    weighting: Literal["balanced", "effective_number"], counts: Sequence[int]
) -> tuple[float, ...]:
    """The inverse of how often a class occurs, or of its effective number; 1 on average.

    The effective number of n samples is (1 − βⁿ) / (1 − β) with β = (N − 1) / N (Cui et al., CVPR 2019).
    N, in the paper the number of distinct samples there could be, is here the number of all that there
    are, so that the weights are the same for pixels as for cases. A class that never occurs has no weight
    of its own and gets 1.
    """
    total = sum(counts)
    sizes = [count if weighting == "balanced" else effective_number(count, total) for count in counts]
    inverse = [1 / size if size else None for size in sizes]
    known = [value for value in inverse if value is not None]
    return tuple(1.0 if value is None else value * len(known) / sum(known) for value in inverse)


def effective_number(count: int, total: int) -> float:
    """(1 − βⁿ) / (1 − β) with β = 1 − 1 / `total`, and n = `count`."""
    if total <= 1:
        return float(count)
    return -total * math.expm1(count * math.log1p(-1 / total))
