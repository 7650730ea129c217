"""The one evaluator: metrics come from saved per-case predictions, and from nothing else."""

import csv
import hashlib
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from arc_core.data.anatomy import vertical_cdr
from arc_core.data.manifest import ImageCase
from arc_core.data.reader import Pixels, decode_mask, read_bytes, read_grey
from arc_core.errors import DatasetError, ExperimentFailed
from arc_core.evaluation.outlines import outlines_of
from arc_core.experiments.result import CASES, Case, Result
from arc_core.experiments.vcdr_model import VcdrModel
from arc_core.gate.bootstrap import measure
from arc_core.provenance.canonical import canonical_json, sha256_of_file
from arc_core.provenance.files import write_atomically
from arc_core.training.cost import work_gflop
from arc_core.training.dri import disc_relevance
from arc_core.training.fold import CAMS, DONE, MASKS, PREDICTIONS, FoldDone, read_curve, read_fold
from arc_core.training.plan import TrainingPlan
from arc_core.training.vcdr import cross_fitted, fit_vcdr_model


def evaluate(plan: TrainingPlan, *, with_outlines: bool = True) -> tuple[Result, tuple[Case, ...]]:
    """Measure every case on the prediction made while it was held out.

    `with_outlines`: False measures as ARC did before it knew them. Writes `cases.json` into the run folder.
    ExperimentFailed when a prediction is missing, doubled, in the wrong fold, changed, unreadable, not
    finite, or of another size than its image.
    """
    folds = [read_fold(plan, fold) for fold in range(plan.split.folds)]
    predicted = _predictions(plan)
    read = _segmented if plan.spec.task == "segmentation" else _classified
    cases = [read(plan, case, predicted[case.image_id]) for case in plan.dataset.cases]
    model: VcdrModel | None = None
    if plan.spec.task == "segmentation":
        model = fit_vcdr_model(cases)
        cases = cross_fitted(cases)
    run_dir = Path(plan.run_dir)
    if not with_outlines:
        cases = [case.model_copy(update={"outlines": None}) for case in cases]
    write_atomically(run_dir / CASES, canonical_json([_dumped(case) for case in cases]) + b"\n")
    return _result(plan, folds, cases, model), tuple(cases)


def _dumped(case: Case) -> dict[str, Any]:
    """Without a key for outlines that there are none of: older files have none, and keep their SHA-256."""
    return case.model_dump(mode="json", exclude=None if case.outlines else {"outlines"})


def dice(predicted: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """2·|A∩B| / (|A|+|B|) of two boolean masks; 1 when both are empty, 0 when only one is."""
    total = np.count_nonzero(predicted) + np.count_nonzero(reference)
    return 2 * np.count_nonzero(predicted & reference) / total if total else 1.0


def _predictions(plan: TrainingPlan) -> dict[str, tuple[int, dict[str, str]]]:
    """image_id → (fold, row), each case exactly once and in its own fold."""
    found: dict[str, tuple[int, dict[str, str]]] = {}
    for fold in range(plan.split.folds):
        path = plan.fold_dir(fold) / PREDICTIONS
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        for row in rows:
            image_id = row.get("image_id") or ""
            if image_id in found:
                raise ExperimentFailed(f"{path}: {image_id} was predicted twice")
            if plan.split.assignment.get(image_id) != fold:
                raise ExperimentFailed(f"{path}: {image_id!r} is not held out in fold {fold}")
            found[image_id] = (fold, row)
    missing = [case.image_id for case in plan.dataset.cases if case.image_id not in found]
    if missing:
        raise ExperimentFailed(f"{len(missing)} cases have no prediction, the first is {missing[0]}")
    return found


def _segmented(plan: TrainingPlan, case: ImageCase, prediction: tuple[int, dict[str, str]]) -> Case:
    fold, _ = prediction
    path = plan.fold_dir(fold) / MASKS / f"{case.image_id}.png"
    reference_path = plan.dataset.mask_path(case)
    assert reference_path is not None, "read_dataset lets no case of a segmentation study through without it"
    mask, reference = _mask(path), _mask(reference_path, case.mask_sha256)
    if mask.shape != (case.height_px, case.width_px):
        raise ExperimentFailed(
            f"{path} is {mask.shape[1]} × {mask.shape[0]} px, its image {case.width_px} × {case.height_px} px"
        )
    return segmented(case, fold, mask, reference)


def segmented(case: ImageCase, fold: int, mask: Pixels, reference: Pixels) -> Case:
    """What is measured of a predicted mask beside the reference, both uint8 (H, W) in the image's frame."""
    return Case(
        image_id=case.image_id,
        patient_id=case.patient_id,
        fold=fold,
        label=case.label,
        disc_dice=dice(mask >= 1, reference >= 1),
        cup_dice=dice(mask == 2, reference == 2),
        vcdr=vertical_cdr(mask),
        vcdr_reference=vertical_cdr(reference),
        outlines=outlines_of(mask, reference),
    )


def _classified(plan: TrainingPlan, case: ImageCase, prediction: tuple[int, dict[str, str]]) -> Case:
    fold, row = prediction
    path = plan.fold_dir(fold) / PREDICTIONS
    try:
        probability = float(row["probability"])
    except (KeyError, TypeError, ValueError):
        raise ExperimentFailed(f"{path}: {case.image_id} has no readable probability") from None
    if not (math.isfinite(probability) and 0 <= probability <= 1):
        raise ExperimentFailed(f"{path}: the probability of {case.image_id} is {probability}")
    return Case(
        image_id=case.image_id,
        patient_id=case.patient_id,
        fold=fold,
        label=case.label,
        probability=probability,
        dri=_dri(plan, case, fold),
    )


def _dri(plan: TrainingPlan, case: ImageCase, fold: int) -> float | None:
    reference_path = plan.dataset.mask_path(case)
    if reference_path is None:
        return None
    path = plan.fold_dir(fold) / CAMS / f"{case.image_id}.png"
    try:
        relevance = read_grey(path)
    except DatasetError as error:
        raise ExperimentFailed(str(error)) from None
    size_px = plan.spec.image_size_px
    if relevance.shape != (size_px, size_px):
        raise ExperimentFailed(f"{path} is {relevance.shape[1]} × {relevance.shape[0]} px, not {size_px} px")
    return disc_relevance(relevance, _mask(reference_path, case.mask_sha256))


def _mask(path: Path, sha256: str | None = None) -> Pixels:
    try:
        data = read_bytes(path)
        mask = decode_mask(data, path)
    except DatasetError as error:
        if sha256 is not None:  # one of the dataset's, which no training writes
            raise
        raise ExperimentFailed(str(error)) from None
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256:
        raise ExperimentFailed(f"{path} has changed since the dataset was read")
    return mask


def _result(
    plan: TrainingPlan, folds: Sequence[FoldDone], cases: Sequence[Case], model: VcdrModel | None
) -> Result:
    return Result(
        metrics=measure(cases, plan.spec.task),
        folds=plan.split.folds,
        vcdr_model=model,
        curve=tuple(point for done in folds for point in read_curve(plan, done.fold)),
        device=folds[0].device,
        devices=folds[0].devices,
        precision=folds[0].precision,
        deviations=plan.deviations,
        train_s=sum(done.train_s for done in folds),
        total_s=sum(done.startup_s + done.total_s for done in folds),
        images=sum(done.images for done in folds),
        work_gflop=work_gflop(plan.split, plan.spec),
        peak_memory_mib=max(done.peak_memory_mib for done in folds),
        files=_files(plan, folds),
    )


def _files(plan: TrainingPlan, folds: Sequence[FoldDone]) -> dict[str, str]:
    """Every file that the result rests on, by path under the run folder."""
    files = {plan.path.name: sha256_of_file(plan.path)}
    for done in folds:
        folder = f"fold-{done.fold}"
        files |= {f"{folder}/{name}": sha for name, sha in done.files.items()}
        files[f"{folder}/{DONE}"] = sha256_of_file(plan.fold_dir(done.fold) / DONE)
    files[CASES] = sha256_of_file(Path(plan.run_dir) / CASES)
    return dict(sorted(files.items()))
