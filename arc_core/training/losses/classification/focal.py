"""Focal loss over the sigmoid (Lin et al., ICCV 2017)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"gamma": 2.0, "alpha": 0.5}


def build(params: Mapping[str, float], counts: Sequence[int]) -> "nn.Module":
    """`alpha` is the weight of a positive, 1 − `alpha` of a negative."""
    from monai.losses.focal_loss import FocalLoss

    loss: nn.Module = FocalLoss(gamma=params["gamma"], alpha=params["alpha"])
    return loss
