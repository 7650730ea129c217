"""Focal loss over the sigmoid (Lin et al., ICCV 2017)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"gamma": 2.0, "alpha": 0.5}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    """`alpha` is the weight of a positive, 1 − `alpha` of a negative; a class weight multiplies its own."""
    from monai.losses.focal_loss import FocalLoss

    negative, positive = classes.weights or (1.0, 1.0)
    scale = (1 - params["alpha"]) * negative + params["alpha"] * positive
    loss: nn.Module = FocalLoss(
        gamma=params["gamma"],
        alpha=params["alpha"] * positive / scale,
        weight=None if classes.weights is None else scale,
    )
    return loss
