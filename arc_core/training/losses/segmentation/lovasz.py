"""Lovász-softmax of rim and cup (Berman et al., CVPR 2018), over the whole batch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS: dict[str, float] = {}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    from arc_core.training.combination import MeanOverClasses
    from arc_core.training.lovasz import LovaszSoftmax

    return MeanOverClasses(LovaszSoftmax(), classes)
