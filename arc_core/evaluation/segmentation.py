"""How well disc and cup were drawn: per image, in the photograph's own frame."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from arc_core.errors import ArcError
from arc_core.evaluation.cohort import Cohort
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Overlap
from arc_core.gate.weighted import Floats, Statistic, weighted_mean
from arc_core.record import Record

Structure = Literal["disc", "cup"]
_ROUNDING = 1e-9


class Drawn(Record):
    """A structure over all images. What needs outlines is None where a case was measured without them."""

    dice_mean: Estimate
    dice_median: Estimate
    iou_mean: Estimate | None = None
    hd95_mean_px: Estimate | None = None
    hd95_median_px: Estimate | None = None
    surface_dice_mean: Estimate | None = None
    empty: int | None = Field(None, description="images where none was found though the reference has one")
    absent: int | None = Field(None, description="images whose reference has none")


class Segmentation(Record):
    """`vcdr_mae`: None where a reference has no disc."""

    disc: Drawn
    cup: Drawn
    vcdr_mae: Estimate | None
    tolerance_px: tuple[float, float] | None = Field(None, description="of surface Dice: least, most")
    cup_outside_disc: int | None = Field(
        None, description="images whose predicted cup leaves the reference's disc"
    )
    cup_outside_disc_px: float | None = Field(None, description="such pixels, mean over all images")


def segmentation_of(cohort: Cohort) -> Segmentation | None:
    """None where a case has no Dice. ArcError where Dice and IoU can't be of the same masks."""
    cases = cohort.cases
    disc = [case.disc_dice for case in cases if case.disc_dice is not None]
    cup = [case.cup_dice for case in cases if case.cup_dice is not None]
    errors = [case.vcdr_error for case in cases if case.vcdr_error is not None]
    if not len(disc) == len(cup) == len(cases):
        return None
    outlines = [case.outlines for case in cases if case.outlines is not None]
    known = len(outlines) == len(cases)  # a figure over some of the images would pass for one over all
    outside = [each.cup_outside_disc_px for each in outlines]
    tolerances = [each.tolerance_px for each in outlines]
    return Segmentation(
        disc=_drawn(cohort, "disc", disc, [each.disc for each in outlines] if known else None),
        cup=_drawn(cohort, "cup", cup, [each.cup for each in outlines] if known else None),
        vcdr_mae=cohort.estimate(weighted_mean(errors)) if len(errors) == len(cases) else None,
        tolerance_px=(min(tolerances), max(tolerances)) if known else None,
        cup_outside_disc=sum(pixels > 0 for pixels in outside) if known else None,
        cup_outside_disc_px=sum(outside) / len(outside) if known else None,
    )


def weighted_median(values: Sequence[float]) -> Statistic:
    """The median over images under weights (R, N) that are counts: between two middle ones, their mean."""
    column = np.asarray(values, np.float64)
    order = np.argsort(column, kind="stable")
    ordered = column[order]

    def median(weights: Floats) -> Floats:
        summed = np.cumsum(weights[:, order], axis=1)
        half = summed[:, -1:] / 2
        lower, upper = (summed >= half).argmax(axis=1), (summed > half).argmax(axis=1)
        middle: Floats = (ordered[lower] + ordered[upper]) / 2
        return middle

    return median


def check_consistent(structure: Structure, dice: Sequence[float], iou: Sequence[float]) -> None:
    """ArcError unless Dice, one per image, can be of the same masks as IoU.

    Of one image Dice is 2·IoU / (1 + IoU), which is concave in IoU: by Jensen's inequality the mean Dice is
    at most that of the mean IoU, and equal to it only where all images are alike.
    """
    mean_dice, mean_iou = sum(dice) / len(dice), sum(iou) / len(iou)
    most = 2 * mean_iou / (1 + mean_iou)
    if not (math.isfinite(mean_dice) and mean_dice <= most + _ROUNDING):
        raise ArcError(
            f"figures are inconsistent: the mean Dice of the {structure} is {mean_dice:.6f}, yet at most "
            f"{most:.6f} is possible with a mean IoU of {mean_iou:.6f} over the same {len(dice)} images"
        )


def _drawn(
    cohort: Cohort, structure: Structure, dice: Sequence[float], overlaps: Sequence[Overlap] | None
) -> Drawn:
    def over(statistic: Callable[[Sequence[float]], Statistic], values: Sequence[float]) -> Estimate:
        found = cohort.estimate(statistic(values))
        if found is None:
            raise ArcError(f"figures are inconsistent: a value of the {structure} is not a finite number")
        return found

    own = Drawn(dice_mean=over(weighted_mean, dice), dice_median=over(weighted_median, dice))
    if overlaps is None:
        return own
    iou, hd95 = [each.iou for each in overlaps], [each.hd95_px for each in overlaps]
    check_consistent(structure, dice, iou)
    return own.model_copy(
        update={
            "iou_mean": over(weighted_mean, iou),
            "hd95_mean_px": over(weighted_mean, hd95),
            "hd95_median_px": over(weighted_median, hd95),
            "surface_dice_mean": over(weighted_mean, [each.surface_dice for each in overlaps]),
            "empty": sum(not each.predicted_px and each.reference_px > 0 for each in overlaps),
            "absent": sum(not each.reference_px for each in overlaps),
        }
    )
