"""Soft Dice of rim and cup plus cross-entropy (Isensee et al., Nature Methods 2021)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"dice_weight": 1.0, "ce_weight": 1.0, "smoothing": 0.0}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    """`smoothing` softens the cross-entropy's target."""
    import torch
    from monai.losses.dice import DiceCELoss

    loss: nn.Module = DiceCELoss(
        include_background=False,
        softmax=True,
        batch=True,
        weight=None if classes.weights is None else torch.tensor(classes.weights),
        lambda_dice=params["dice_weight"],
        lambda_ce=params["ce_weight"],
        label_smoothing=params["smoothing"],
    )
    return loss
