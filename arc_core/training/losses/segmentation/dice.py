"""Soft Dice of rim and cup (Milletari et al., 3DV 2016), over the whole batch."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS: dict[str, float] = {}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    from monai.losses.dice import DiceLoss

    weight = None if classes.weights is None else classes.weights[1:]
    loss: nn.Module = DiceLoss(include_background=False, softmax=True, batch=True, weight=weight)
    return loss
