"""What is measured on a mask of disc and cup."""

import numpy as np
from numpy.typing import NDArray

from arc_core.data.reader import Pixels


def vertical_cdr(mask: Pixels) -> float | None:
    """Vertical cup-to-disc ratio: height of the cup over height of the disc, both in pixels.

    The disc is rim and cup together. 0.0 where there is no cup, None where there is no disc.
    """
    disc_px = _height_px(mask >= 1)
    return _height_px(mask == 2) / disc_px if disc_px else None


def clean_mask(mask: Pixels) -> Pixels:
    """One disc without holes, and at most one cup inside it: stray islands become background or rim."""
    from scipy.ndimage import binary_fill_holes

    disc = binary_fill_holes(largest_component(mask >= 1))
    cup = binary_fill_holes(largest_component((mask == 2) & disc))
    cleaned: Pixels = disc.astype(np.uint8) + (cup & disc).astype(np.uint8)
    return cleaned


def largest_component(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The largest connected part of a region; of equals, the first from the top."""
    from scipy.ndimage import label

    parts, count = label(region)
    if count < 2:
        return region
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray(parts == sizes.argmax())


def _height_px(region: NDArray[np.bool_]) -> int:
    rows = np.flatnonzero(region.any(axis=1))
    return int(rows[-1] - rows[0] + 1) if rows.size else 0
