"""The curriculum: which share of the cases an epoch draws from, the easy ones first.

However few they are, an epoch draws as many cases as the fold has, each as evenly often as can be: steps,
schedule and cost are those of a training without a curriculum, so that the two can be compared.
"""

import math
from collections.abc import Sequence

import torch

from arc_core.experiments.spec import Curriculum

MASTERED = 0.5
"""Adaptive pacing lets all cases in once the loss has fallen by this share of what it was at first."""


def active_share(curriculum: Curriculum, epoch: int, epochs: int, losses: Sequence[float] = ()) -> float:
    """Share of the cases, the easiest, that take part in `epoch`, counted from 0. Never falls.

    From `start_share` s at first to 1 at the share `full_by` of all epochs; t is how far it is on the way:

    - linear: s + (1 − s)·t (Platanios et al., NAACL 2019)
    - exponential: s^(1 − t), each epoch a factor more than the one before (after Hacohen and Weinshall,
      ICML 2019)
    - step: s until t is 1 (single step, ibid.)
    - adaptive: as linear, but t is how far the training loss has fallen on its way to `MASTERED`; `losses`
      are its means in the epochs so far. At `full_by` all cases are in, whatever the loss.
    """
    start, end = curriculum.start_share, curriculum.full_by * epochs
    if curriculum.pacing == "none" or epoch >= end:
        return 1.0
    if curriculum.pacing == "step":
        return start
    if curriculum.pacing == "exponential":
        return float(start ** (1 - epoch / end))
    way = _fallen(losses) if curriculum.pacing == "adaptive" else epoch / end
    return start + (1 - start) * way


def ordered(positions: torch.Tensor, hardness: torch.Tensor) -> torch.Tensor:
    """`positions` (n,) from the easiest to the hardest; of equals, as they came."""
    return positions[torch.argsort(hardness, stable=True)]


def draw(positions: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """An epoch's cases in their order: n draws from the first `share` of the (n,) `positions`.

    Rounds over all that take part, each shuffled anew; the last round may be cut short.
    """
    count = len(positions)
    active = max(1, math.ceil(share * count - 1e-9))  # 0.3 · 10 is 3
    rounds = [torch.randperm(active, generator=generator) for _ in range(math.ceil(count / active))]
    return positions[torch.cat(rounds)[:count]]


def _fallen(losses: Sequence[float]) -> float:
    """How far the loss is on its way from the first to `MASTERED` of it less, from 0 to 1."""
    if not losses:
        return 0.0
    first, lowest = losses[0], min(losses)
    # Not every loss stays over 0, so the fall is taken of its size.
    fall = (first - lowest) / abs(first) if first else 1.0
    return min(1.0, fall / MASTERED)
