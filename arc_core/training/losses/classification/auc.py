"""A surrogate of the AUC: every positive should score above every negative, by a margin.

The squared hinge over all pairs of a micro-batch, which is consistent with the AUC (Gao and Zhou, IJCAI
2015). MONAI's AUCMLoss (Yuan et al., ICCV 2021) writes the same square over pairs as a saddle point, whose
extra variables need an optimiser of their own; with all pairs at hand nothing has to be learned for it.

Pairs say nothing about where 0 lies, and a micro-batch of one class has none. So some binary cross-entropy
is added: it keeps the probabilities meaningful, and is all that such a micro-batch learns from.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"margin": 1.0, "auc_weight": 1.0, "bce_weight": 0.2}
WEIGHTED = False  # a pair has one case of each class


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    from arc_core.training.ranking import PairwiseAuc

    return PairwiseAuc(params["margin"], params["auc_weight"], params["bce_weight"])
