"""DRI on maps and masks whose overlap is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.training.dri import disc_relevance

MASK = np.zeros((40, 40), np.uint8)
MASK[10:30, 10:30] = 1
MASK[15:25, 15:25] = 2  # the cup belongs to the disc


def square(top: int, left: int, value: int = 255) -> np.ndarray:
    """A map whose relevance is a square of 20 pixels."""
    relevance = np.zeros((40, 40), np.uint8)
    relevance[top : top + 20, left : left + 20] = value
    return relevance


@pytest.mark.parametrize(
    ("relevance", "expected"),
    [
        (square(10, 10), 1.0),
        (square(10, 20), 1 / 3),
        (square(20, 20), 100 / 700),
        (np.full((40, 40), 200, np.uint8), 400 / 1600),
        (np.zeros((40, 40), np.uint8), 0.0),
        (255 - square(10, 10), 0.0),
    ],
    ids=["on the disc", "half beside", "a quarter on", "everywhere", "nowhere", "around it"],
)
def test_the_index_is_the_overlap_over_the_union(relevance, expected):
    assert disc_relevance(relevance, MASK) == pytest.approx(expected)


@given(st.integers(1, 255))
def test_half_of_the_maximum_counts_whatever_the_maximum(peak):
    relevance = square(0, 0, peak // 2)  # under half where the peak is odd
    relevance[10:30, 10:30] = peak
    union = 400 if peak % 2 else 400 + 300
    assert disc_relevance(relevance, MASK) == pytest.approx(400 / union)


def test_the_map_is_brought_back_to_the_image_s_own_frame():
    wide = np.zeros((20, 40), np.uint8)  # padded to a square of 40, seen by the network at 20
    wide[4:16, 10:30] = 1
    relevance = np.zeros((20, 20), np.uint8)
    relevance[7:13, 5:15] = 255
    assert disc_relevance(relevance, wide) == pytest.approx(1.0, abs=0.1)
    assert disc_relevance(np.roll(relevance, 5, axis=0), wide) < 0.3


def test_relevance_in_the_padding_alone_is_none_on_the_disc():
    wide = np.ones((20, 40), np.uint8)
    relevance = np.zeros((40, 40), np.uint8)
    relevance[:8] = 255
    assert disc_relevance(relevance, wide) == 0
