"""Focal loss over the softmax (Lin et al., ICCV 2017)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"gamma": 2.0}


def build(params: Mapping[str, float], counts: Sequence[int]) -> "nn.Module":
    from monai.losses.focal_loss import FocalLoss

    loss: nn.Module = FocalLoss(use_softmax=True, gamma=params["gamma"])
    return loss
