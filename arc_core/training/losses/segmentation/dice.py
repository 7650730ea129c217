"""Soft Dice of rim and cup (Milletari et al., 3DV 2016), over the whole batch."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import nn

DEFAULTS: dict[str, float] = {}


def build(params: Mapping[str, float], counts: Sequence[int]) -> "nn.Module":
    from monai.losses.dice import DiceLoss

    loss: nn.Module = DiceLoss(include_background=False, softmax=True, batch=True)
    return loss
