"""From an image to a network, and from its logits to what is said of the image.

One rule for held-out cases and for new images.
"""

from dataclasses import dataclass

import numpy as np
import torch

from arc_core.data.anatomy import clean_mask, vertical_cdr
from arc_core.data.reader import Pixels, from_square, to_square
from arc_core.experiments.vcdr_model import VcdrModel


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is said of one image. None: the task doesn't say it, or no disc was found."""

    mask: Pixels | None
    """(H, W) uint8 in the image's own frame: 0 background, 1 rim, 2 cup."""
    probability: float | None
    """Of glaucoma."""
    vcdr: float | None = None

    @property
    def disc_area_px(self) -> int | None:
        return None if self.mask is None else int((self.mask >= 1).sum())

    @property
    def cup_area_px(self) -> int | None:
        return None if self.mask is None else int((self.mask == 2).sum())


def input_of(image: Pixels, size_px: int) -> torch.Tensor:
    """An image, uint8 (H, W, 3), RGB, of any size, in the square frame: float (3, size, size) in [0, 1]."""
    square = torch.from_numpy(to_square(image, size_px))
    return square.permute(2, 0, 1).contiguous().float() / 255


def prediction_of(
    probabilities: torch.Tensor, height_px: int, width_px: int, vcdr_model: VcdrModel | None = None
) -> Prediction:
    """What is said of an image of that size: (3, S, S) of background, rim and cup, or (1,) of glaucoma."""
    if probabilities.ndim == 1:
        return Prediction(mask=None, probability=float(probabilities[0]))
    mask = mask_of(probabilities, height_px, width_px)
    vcdr = vertical_cdr(mask)
    probability = None if vcdr_model is None else vcdr_model.probability_of(vcdr)
    return Prediction(mask=mask, probability=probability, vcdr=vcdr)


def probabilities_of(logits: torch.Tensor) -> torch.Tensor:
    """Softmax over background, rim and cup for (B, 3, S, S); sigmoid for (B, 1)."""
    return logits.softmax(dim=1) if logits.ndim == 4 else logits.sigmoid()


def mask_of(probabilities: torch.Tensor, height_px: int, width_px: int) -> Pixels:
    """Probabilities (3, S, S) to a mask (height, width) in the original frame.

    They are resized first and decided after, so that edges stay smooth; then one disc and one cup
    within it remain.
    """
    original = from_square(probabilities.numpy(), height_px, width_px)
    return clean_mask(original.argmax(axis=0).astype(np.uint8))
