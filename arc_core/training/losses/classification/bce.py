"""Binary cross-entropy."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"smoothing": 0.0}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    from arc_core.training.smoothing import SmoothedBce

    return SmoothedBce(params["smoothing"], *(classes.weights or (1.0, 1.0)))
