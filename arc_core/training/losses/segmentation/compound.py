"""A weighted sum of the other losses; one without a weight is not computed."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {
    "dice_weight": 1.0,
    "ce_weight": 0.5,
    "focal_weight": 0.0,
    "tversky_weight": 0.0,
    "lovasz_weight": 0.5,
    "boundary_weight": 0.0,
    "smoothing": 0.0,
    "gamma": 2.0,
    "alpha": 0.3,
    "beta": 0.7,
}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    """`smoothing` is that of the cross-entropy, `gamma` of focal, `alpha` and `beta` of Tversky."""
    import torch
    from torch import nn

    from arc_core.training.combination import WeightedSum
    from arc_core.training.losses.segmentation import boundary, dice, focal, lovasz, tversky

    weight = None if classes.weights is None else torch.tensor(classes.weights)
    parts: dict[str, Callable[[], nn.Module]] = {
        "dice_weight": partial(dice.build, {}, classes),
        "ce_weight": partial(nn.CrossEntropyLoss, weight=weight, label_smoothing=params["smoothing"]),
        "focal_weight": partial(focal.build, params, classes),
        "tversky_weight": partial(tversky.build, params, classes),
        "lovasz_weight": partial(lovasz.build, {}, classes),
        "boundary_weight": partial(boundary.build, {"dice_weight": 0.0, "boundary_weight": 1.0}, classes),
    }
    return WeightedSum(*((params[name], part) for name, part in parts.items()))
