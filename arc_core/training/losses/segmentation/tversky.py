"""Tversky loss of rim and cup (Salehi et al., MLMI 2017)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"alpha": 0.3, "beta": 0.7}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    """`alpha` weighs false positives, `beta` false negatives."""
    from monai.losses.tversky import TverskyLoss

    from arc_core.training.combination import MeanOverClasses

    loss = TverskyLoss(
        include_background=False,
        softmax=True,
        batch=True,
        alpha=params["alpha"],
        beta=params["beta"],
        reduction="none",
    )
    return MeanOverClasses(loss, classes)
