"""Binary cross-entropy in which both classes weigh the same."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"smoothing": 0.0}
WEIGHTED = False  # it has its own weights


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    """Positives weigh as much as negatives over the training fold: by negatives / positives."""
    from arc_core.training.smoothing import SmoothedBce

    negatives, positives = classes.counts
    return SmoothedBce(params["smoothing"], positive_weight=negatives / positives)
