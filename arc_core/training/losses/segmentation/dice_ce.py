"""Soft Dice of rim and cup plus cross-entropy (Isensee et al., Nature Methods 2021)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"dice_weight": 1.0, "ce_weight": 1.0, "smoothing": 0.0}


def build(params: Mapping[str, float], counts: Sequence[int]) -> "nn.Module":
    """`smoothing` softens the cross-entropy's target."""
    from monai.losses.dice import DiceCELoss

    loss: nn.Module = DiceCELoss(
        include_background=False,
        softmax=True,
        batch=True,
        lambda_dice=params["dice_weight"],
        lambda_ce=params["ce_weight"],
        label_smoothing=params["smoothing"],
    )
    return loss
