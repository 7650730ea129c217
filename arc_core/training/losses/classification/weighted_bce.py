"""Binary cross-entropy in which both classes weigh the same."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"smoothing": 0.0}


def build(params: Mapping[str, float], counts: Sequence[int]) -> "nn.Module":
    """Positives weigh as much as negatives over the training fold: by negatives / positives."""
    from arc_core.training.smoothing import SmoothedBce

    negatives, positives = counts
    return SmoothedBce(params["smoothing"], positive_weight=negatives / positives)
