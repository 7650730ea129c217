import numpy as np

from arc_core.data.anatomy import clean_mask, largest_component, vertical_cdr


def eye(disc: tuple[int, int], cup: tuple[int, int]) -> np.ndarray:
    mask = np.zeros((40, 40), np.uint8)
    mask[disc[0] : disc[1], 5:35] = 1
    mask[cup[0] : cup[1], 10:30] = 2
    return mask


def test_ratio_of_heights():
    assert vertical_cdr(eye((5, 35), (10, 25))) == 0.5


def test_no_cup_is_zero_and_no_disc_is_undefined():
    assert vertical_cdr(eye((5, 35), (0, 0))) == 0.0
    assert vertical_cdr(np.zeros((8, 8), np.uint8)) is None


def test_width_does_not_count():
    mask = eye((5, 35), (10, 25))
    mask[:, 20:] = 0
    assert vertical_cdr(mask) == 0.5


def test_largest_component():
    region = np.zeros((10, 10), bool)
    region[0, 0] = region[5:8, 5:8] = True
    assert largest_component(region).sum() == 9
    assert not largest_component(np.zeros((3, 3), bool)).any()


def test_cleaning_removes_islands_and_holes_only():
    clean = eye((5, 35), (10, 25))
    dirty = clean.copy()
    dirty[0, 0] = 2
    dirty[38, 38] = 1
    dirty[7, 7] = 0
    dirty[15, 15] = 1
    assert (clean_mask(dirty) == clean).all()
    assert (clean_mask(np.zeros((8, 8), np.uint8)) == 0).all()
