"""Tversky loss of rim and cup (Salehi et al., MLMI 2017)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"alpha": 0.3, "beta": 0.7}


def build(params: Mapping[str, float], counts: Sequence[int]) -> "nn.Module":
    """`alpha` weighs false positives, `beta` false negatives."""
    from monai.losses.tversky import TverskyLoss

    loss: nn.Module = TverskyLoss(
        include_background=False, softmax=True, batch=True, alpha=params["alpha"], beta=params["beta"]
    )
    return loss
