"""Cross-entropy over the softmax of two classes, with label smoothing (Szegedy et al., CVPR 2016).

The network has one logit z, so the two are 0 and z, and without class weights the loss is that of `bce`
to the last digit; it differs from it by its smoothing. With them it is the mean over a micro-batch's
weights, not over its cases: a micro-batch with more of the rarer class counts no more than another.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"smoothing": 0.1}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    from arc_core.training.smoothing import TwoClassCrossEntropy

    return TwoClassCrossEntropy(params["smoothing"], classes.weights)
