"""Distances of outlines against MONAI's, on the whole frame, which ARC's own never looks at."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.metrics.hausdorff_distance import compute_hausdorff_distance
from monai.metrics.meaniou import compute_iou
from monai.metrics.surface_dice import compute_surface_dice

from arc_core.evaluation.outlines import TOLERANCE, outlines_of, overlap

FRAME = (48, 64)


@st.composite
def regions(draw):
    """An ellipse anywhere in the frame, across its edge too, with a few stray pixels."""
    rows, columns = np.ogrid[: FRAME[0], : FRAME[1]]
    at = draw(st.tuples(st.integers(0, FRAME[0] - 1), st.integers(0, FRAME[1] - 1)))
    radii = draw(st.tuples(st.integers(1, 20), st.integers(1, 20)))
    region = ((rows - at[0]) / radii[0]) ** 2 + ((columns - at[1]) / radii[1]) ** 2 <= 1
    for row, column in draw(st.lists(st.tuples(st.integers(0, 47), st.integers(0, 63)), max_size=5)):
        region[row, column] = not region[row, column]
    region[at] = True
    return region


def as_monai(region):
    return torch.from_numpy(region)[None, None].float()


@pytest.mark.filterwarnings("ignore::FutureWarning:monai")  # of MONAI's own arguments
@given(regions(), regions(), st.sampled_from([0.0, 1.0, 1.5, 2.25, 4.0]))  # exact in MONAI's float32 too
def test_the_figures_are_those_of_monai_on_the_whole_frame(predicted, reference, tolerance_px):
    found = overlap(predicted, reference, tolerance_px)
    pair = as_monai(predicted), as_monai(reference)
    hd95 = compute_hausdorff_distance(*pair, include_background=True, percentile=95)
    surface = compute_surface_dice(*pair, class_thresholds=[tolerance_px], include_background=True)
    assert found.hd95_px == pytest.approx(float(hd95), abs=1e-4)
    assert found.surface_dice == pytest.approx(float(surface), abs=1e-6)
    assert found.iou == pytest.approx(float(compute_iou(*pair)), abs=1e-6)
    assert (found.predicted_px, found.reference_px) == (predicted.sum(), reference.sum())


def test_a_region_of_which_one_side_is_empty_has_the_worst_figures_there_are():
    empty, region = np.zeros(FRAME, bool), np.pad(np.ones((8, 8), bool), ((20, 20), (28, 28)))
    for pair in ((empty, region), (region, empty)):
        found = overlap(*pair, 1.0)
        assert (found.iou, found.hd95_px, found.surface_dice) == (0, math.hypot(*FRAME), 0)
    found = overlap(empty, empty, 1.0)
    assert (found.iou, found.hd95_px, found.surface_dice) == (1, 0, 1)


def test_outlines_are_of_the_disc_with_its_cup_and_tell_where_the_cup_has_left_the_disc():
    mask, reference = np.zeros((100, 400), np.uint8), np.zeros((100, 400), np.uint8)
    reference[20:60, 20:60], reference[30:50, 30:50] = 1, 2
    mask[20:60, 23:63], mask[30:50, 53:63] = 1, 2
    found = outlines_of(mask, reference)
    assert found.tolerance_px == TOLERANCE * 400 == 2
    assert outlines_of(mask[:, :100], mask[:, :100]).tolerance_px == 1
    assert found.disc.hd95_px == 3
    assert (found.disc.predicted_px, found.cup.predicted_px) == (1600, 200)
    assert found.cup_outside_disc_px == 3 * 20
