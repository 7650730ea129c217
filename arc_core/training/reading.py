"""From a network's logits to what is said of an image. One rule for held-out cases and for new images."""

import numpy as np
import torch

from arc_core.data.anatomy import clean_mask
from arc_core.data.reader import Pixels, from_square


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
