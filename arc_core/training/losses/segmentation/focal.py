"""Focal loss over the softmax (Lin et al., ICCV 2017)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"gamma": 2.0}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    from monai.losses.focal_loss import FocalLoss

    loss: nn.Module = FocalLoss(use_softmax=True, gamma=params["gamma"], weight=classes.weights)
    return loss
