"""What is told of masks: medians under weights, the self-check, and nothing over some of the images only."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.errors import ArcError
from arc_core.evaluation.cohort import Cohort
from arc_core.evaluation.outlines import outlines_of
from arc_core.evaluation.segmentation import check_consistent, segmentation_of, weighted_median
from arc_core.experiments.result import Case
from arc_core.gate.bootstrap import measure
from arc_core.training.evaluator import dice

FRAME = np.zeros((64, 64), np.uint8)


def mask_of(disc: int, cup: int, shift: int = 0):
    mask = FRAME.copy()
    mask[32 - disc : 32 + disc, 32 - disc + shift : 32 + disc + shift] = 1 if disc else 0
    mask[32 - cup : 32 + cup, 32 - cup + shift : 32 + cup + shift] = 2 if cup else 0
    return mask


def case_of(name: str, mask, reference) -> Case:
    return Case(
        image_id=name,
        patient_id=name,
        fold=0,
        disc_dice=dice(mask >= 1, reference >= 1),
        cup_dice=dice(mask == 2, reference == 2),
        vcdr=0.5,
        vcdr_reference=0.6,
        outlines=outlines_of(mask, reference),
    )


@pytest.fixture
def cases() -> list[Case]:
    return [
        *(case_of(f"shifted {by}", mask_of(16, 8, by), mask_of(16, 8)) for by in (0, 1, 2, 12)),
        case_of("nothing found", mask_of(0, 0), mask_of(16, 8)),
        case_of("no cup", mask_of(16, 0), mask_of(16, 8)),
        case_of("no cup there is", mask_of(16, 0), mask_of(16, 0)),
    ]


def test_means_are_the_gates_and_medians_numpys(cases):
    found, gates = segmentation_of(Cohort(cases)), measure(cases, "segmentation")
    assert found.disc.dice_mean == gates["disc_dice"]
    assert found.cup.dice_mean == gates["cup_dice"]
    assert found.vcdr_mae == gates["vcdr_mae"]
    assert found.cup.dice_median.value == np.median([case.cup_dice for case in cases])
    hd95 = [case.outlines.disc.hd95_px for case in cases]
    assert found.disc.hd95_median_px.value == np.median(hd95)
    assert found.disc.hd95_mean_px.value == pytest.approx(np.mean(hd95))
    assert max(hd95) == pytest.approx(64 * 2**0.5)  # what found nothing counts with the diagonal


def test_empty_masks_and_cups_beside_the_disc_are_counted(cases):
    found = segmentation_of(Cohort(cases))
    assert (found.disc.empty, found.disc.absent) == (1, 0)
    assert (found.cup.empty, found.cup.absent) == (2, 1)
    assert found.cup_outside_disc == 1  # of the shifted ones
    assert found.cup_outside_disc_px == pytest.approx(4 * 16 / 7)


def test_with_one_case_without_outlines_nothing_is_said_of_them(cases):
    cases[0] = cases[0].model_copy(update={"outlines": None})
    found = segmentation_of(Cohort(cases))
    assert found.disc.dice_mean is not None
    assert (found.disc.hd95_mean_px, found.disc.empty, found.cup_outside_disc) == (None, None, None)


def test_without_dice_there_is_nothing_to_tell():
    assert segmentation_of(Cohort([Case(image_id="a", patient_id="a", fold=0, label=1)])) is None


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_dice_and_iou_of_the_same_images_are_consistent(iou):
    check_consistent("disc", [2 * each / (1 + each) for each in iou], iou)


def test_a_dice_above_what_the_iou_allows_is_refused(cases):
    better = [case.model_copy(update={"cup_dice": 1.0}) for case in cases]
    with pytest.raises(ArcError, match=r"figures are inconsistent: the mean Dice of the cup is 1\.0"):
        segmentation_of(Cohort(better))


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.7, 2.0]), st.integers(0, 3)), min_size=1, max_size=12))
def test_the_median_under_weights_is_that_of_the_images_so_often(pairs):
    values, weights = zip(*pairs, strict=True)
    if sum(weights):
        found = weighted_median(values)(np.array([weights], float))[0]
        assert found == pytest.approx(np.median(np.repeat(values, weights)))
