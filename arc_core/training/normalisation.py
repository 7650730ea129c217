"""From a photograph's bytes to the values a network sees."""

import math
from typing import Literal

import torch
from torch.nn import functional

Normalisation = Literal["unit", "standardise", "contrast"]

_EPSILON = 1e-3
# The background of `contrast` is the mean over tiles of 1/8 of the side, about half a disc wide.
_TILES = 8


def normalise(images: torch.Tensor, kind: Normalisation) -> torch.Tensor:
    """Float images (B, 3, S, S) in [0, 1] to the network's input, of the same shape.

    `unit` leaves them so. `standardise` gives each channel of each image mean 0 and deviation 1.
    `contrast` subtracts a smooth background first, so that uneven light is gone (after Graham,
    Kaggle diabetic retinopathy report, 2015).
    """
    if kind == "unit":
        return images
    if kind == "contrast":
        images = images - _background(images)
    # torch.std_mean gives the same in one call, which takes ten times as long on a CPU.
    centred = images - images.mean(dim=(2, 3), keepdim=True)
    length: torch.Tensor = torch.linalg.vector_norm(centred, dim=(2, 3), keepdim=True)
    deviation = length / math.sqrt(images.shape[-2] * images.shape[-1] - 1)
    return centred / (deviation + _EPSILON)


def _background(images: torch.Tensor) -> torch.Tensor:
    tile_px = max(images.shape[-1] // _TILES, 1)
    coarse = functional.avg_pool2d(images, tile_px, ceil_mode=True)
    return functional.interpolate(coarse, size=images.shape[-2:], mode="bilinear", align_corners=False)
