"""Binary cross-entropy."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"smoothing": 0.0}


def build(params: Mapping[str, float], counts: Sequence[int]) -> "nn.Module":
    from arc_core.training.smoothing import SmoothedBce

    return SmoothedBce(params["smoothing"])
