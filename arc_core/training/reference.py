"""What a classification learns from reference masks, besides its labels. Loads no torch."""

from arc_core.data.manifest import Dataset
from arc_core.errors import SpecError
from arc_core.experiments.spec import ExperimentSpec


def learns_from_vcdr(spec: ExperimentSpec) -> bool:
    """Whether its training reads the vertical cup-to-disc ratio off each case's mask. A segmentation
    learns from the mask itself."""
    return spec.task == "classification" and (spec.auxiliary.vcdr_weight > 0 or _ordered_by_vcdr(spec))


def check_reference(spec: ExperimentSpec, dataset: Dataset) -> None:
    """SpecError where the spec asks for masks that the dataset lacks."""
    missing = sum(case.mask is None for case in dataset.cases)
    if spec.task == "segmentation" or not missing:
        return
    if _ordered_by_vcdr(spec):
        _refuse("curriculum.by", spec.curriculum.by, missing, dataset, "Order them by quality instead.")
    if spec.auxiliary.vcdr_weight > 0 and missing == len(dataset.cases):
        _refuse("auxiliary.vcdr_weight", spec.auxiliary.vcdr_weight, missing, dataset, "Set it to 0.")


def _ordered_by_vcdr(spec: ExperimentSpec) -> bool:
    return spec.curriculum.pacing != "none" and spec.curriculum.by == "difficulty"


def _refuse(where: str, got: object, missing: int, dataset: Dataset, cure: str) -> None:
    raise SpecError(
        "this needs the reference masks",
        where=where,
        got=f"{got}, and {missing} of {len(dataset.cases)} cases without a mask",
        expected="masks/<image_id>.png",
        cure=f"{cure} Or add the masks.",
    )
