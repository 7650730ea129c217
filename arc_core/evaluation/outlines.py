"""How far a predicted outline lies from the reference: 95 % Hausdorff distance and surface Dice.

The figures are MONAI's (`compute_hausdorff_distance` with percentile 95, `compute_surface_dice`), and are
tested against it. MONAI measures distances to every pixel of the regions, and needs three seconds to be
imported in a process that has no torch; here only the outlines are searched, by a tree of their points.
"""

import math

import numpy as np
from numpy.typing import NDArray

from arc_core.data.reader import Pixels
from arc_core.experiments.result import Outlines, Overlap

TOLERANCE, LEAST_PX = 0.005, 1.0
"""Of the surface Dice: share of the frame's longer side, some 3 % of a disc's width in a whole photograph."""

Region = NDArray[np.bool_]


def outlines_of(mask: Pixels, reference: Pixels) -> Outlines:
    """Of two masks (H, W) of 0 background, 1 rim, 2 cup.

    As rim and cup make the disc, no cup can lie outside of its own disc; what is counted is the predicted
    cup outside of the reference's disc.
    """
    tolerance_px = max(LEAST_PX, TOLERANCE * max(mask.shape))
    return Outlines(
        disc=overlap(mask >= 1, reference >= 1, tolerance_px),
        cup=overlap(mask == 2, reference == 2, tolerance_px),
        tolerance_px=tolerance_px,
        cup_outside_disc_px=np.count_nonzero((mask == 2) & (reference == 0)),
    )


def overlap(predicted: Region, reference: Region, tolerance_px: float) -> Overlap:
    """Of two regions of one frame (H, W).

    Both empty: they agree wholly. One empty: no distance is defined, and leaving it out would reward what
    finds nothing; as in the BraTS challenges the frame's diagonal stands for it, and surface Dice is 0.
    """
    diagonal_px = math.hypot(*predicted.shape)
    predicted, reference = _cropped(predicted, reference)
    sizes = np.count_nonzero(predicted), np.count_nonzero(reference)
    both = np.count_nonzero(predicted & reference)
    union = sum(sizes) - both
    if all(sizes):
        there, back = _distances(predicted, reference)
        hd95_px = float(max(np.percentile(there, 95), np.percentile(back, 95)))
        near = int((there <= tolerance_px).sum() + (back <= tolerance_px).sum())
        surface_dice = near / (len(there) + len(back))
    else:
        hd95_px, surface_dice = (diagonal_px, 0.0) if any(sizes) else (0.0, 1.0)
    return Overlap(
        iou=both / union if union else 1.0,
        hd95_px=hd95_px,
        surface_dice=surface_dice,
        predicted_px=sizes[0],
        reference_px=sizes[1],
    )


def _cropped(*regions: Region) -> list[Region]:
    """The regions within their joint bounding box: nothing outside of it changes a figure."""
    joint = np.logical_or.reduce(regions)
    rows, columns = (np.flatnonzero(joint.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return [region[:0, :0] for region in regions]
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    return [region[box] for region in regions]


def _distances(one: Region, other: Region) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """From each point of the first outline to the second, in pixels, and back."""
    from scipy.spatial import KDTree  # sklearn has loaded it by then, beside a training

    outlines = [np.flatnonzero(_outline(region)) for region in (one, other)]
    points = [np.stack(np.divmod(places, one.shape[1]), axis=1) for places in outlines]
    trees = [KDTree(each, balanced_tree=False, compact_nodes=False) for each in points]  # built faster
    there, _ = trees[1].query(points[0])
    back, _ = trees[0].query(points[1])
    return there, back


def _outline(region: Region) -> Region:
    """The pixels of a region that have a side in common with what is not of it, or with the frame's edge."""
    inside = np.pad(region, 1)
    return region & ~(inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:])
