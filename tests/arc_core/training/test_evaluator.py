"""The evaluator trusts nothing: it measures what lies in the files, and only if all of it is sound."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from monai.metrics.meandice import DiceMetric
from PIL import Image
from pydantic import TypeAdapter

from arc_core.data.reader import write_mask
from arc_core.errors import ExperimentFailed
from arc_core.evaluation.outlines import outlines_of
from arc_core.experiments.result import CASES, Case
from arc_core.provenance.canonical import sha256_of_file
from arc_core.training.evaluator import dice, evaluate
from arc_core.training.fold import FoldDone, finish_fold, fold_key
from arc_core.training.measured import measure_anew
from arc_core.training.plan import TrainingPlan
from arc_core.training.vcdr import cross_fitted, fit_vcdr_model

Change = Callable[[Path], object]


@pytest.fixture
def plan(trained, tmp_path) -> TrainingPlan:
    finished, _ = trained
    shutil.copytree(finished.run_dir, tmp_path / "exp-1")
    return finished.model_copy(update={"run_dir": str(tmp_path / "exp-1")})


def reseal(folder: Path) -> None:
    """Seal the fold again, as a faulty worker would have: the hashes then agree."""
    finish_fold(folder, FoldDone.model_validate_json((folder / "done.json").read_bytes()))


def unseal(folder: Path) -> None:
    done = FoldDone.model_validate_json((folder / "done.json").read_bytes())
    (folder / "done.json").write_text(done.model_copy(update={"files": {}}).model_dump_json())


def any_mask(folder: Path) -> Path:
    return sorted((folder / "masks").iterdir())[0]


def test_every_case_is_measured_once_and_every_file_is_named(plan):
    result, cases = evaluate(plan)

    assert [case.image_id for case in cases] == [case.image_id for case in plan.dataset.cases]
    assert all(case.fold == plan.split.assignment[case.image_id] for case in cases)
    assert {"mean_dice", "disc_dice", "cup_dice", "vcdr_mae"} <= result.metrics.keys()
    saved = TypeAdapter(tuple[Case, ...]).validate_json((Path(plan.run_dir) / CASES).read_bytes())
    assert saved == cases
    assert result.images == len(cases) * 3
    assert 0 < result.train_s < result.total_s
    assert len(result.curve) == 6
    for name, sha256 in result.files.items():
        assert sha256_of_file(Path(plan.run_dir) / name) == sha256
    assert sum(name.endswith("model.pt") for name in result.files) == 2


def test_dice_is_taken_in_the_original_frame(plan):
    _, cases = evaluate(plan)

    case = plan.dataset.cases[0]
    fold = plan.split.assignment[case.image_id]
    predicted = np.asarray(Image.open(plan.fold_dir(fold) / "masks" / f"{case.image_id}.png"))
    reference = np.asarray(Image.open(Path(plan.dataset.root) / case.mask))
    assert predicted.shape == reference.shape == (64, 64)
    assert cases[0].disc_dice == pytest.approx(monai_dice(predicted >= 1, reference >= 1))
    assert cases[0].outlines == outlines_of(predicted, reference)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folder: any_mask(folder).unlink(), r"masks/.*\.png is missing"),
        (lambda folder: write_mask(any_mask(folder), np.zeros((64, 64), np.uint8)), "was changed"),
        (lambda folder: (folder / "predictions.csv").unlink(), "predictions.csv is missing"),
        (lambda folder: (folder / "predictions.csv").write_text("image_id\n"), "was changed"),
        (lambda folder: (folder / "done.json").unlink(), "fold 0 is not finished"),
        (lambda folder: (folder / "done.json").write_text("{"), "done.json is unreadable"),
        (lambda folder: unseal(folder), "does not vouch for curve.csv, model.pt, predictions.csv"),
        (lambda folder: shutil.rmtree(folder), "fold 0 is not finished"),
    ],
    ids=[
        "no mask",
        "other mask",
        "no predictions",
        "other predictions",
        "no seal",
        "torn seal",
        "empty seal",
        "no fold",
    ],
)
def test_a_file_missing_or_changed_after_training_fails(plan, change: Change, named):
    change(plan.fold_dir(0))

    with pytest.raises(ExperimentFailed, match=named):
        evaluate(plan)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (
            lambda folder: write_mask(any_mask(folder), np.zeros((64, 32), np.uint8)),
            "32 × 64 px, its image 64",
        ),
        (lambda folder: write_mask(any_mask(folder), np.full((64, 64), 3, np.uint8)), "0, 1, 2"),
        (lambda folder: any_mask(folder).write_bytes(b"\x89PNG\r\n"), "damaged"),
        (lambda folder: drop_last_line(folder / "predictions.csv"), "1 cases have no prediction"),
        (lambda folder: repeat_last_line(folder / "predictions.csv"), "was predicted twice"),
        (lambda folder: rename_last_line(folder / "predictions.csv"), "not held out in fold 0"),
    ],
    ids=["size", "value", "torn", "one case less", "one case twice", "unknown case"],
)
def test_wrong_predictions_fail_even_with_the_right_hashes(plan, change: Change, named):
    change(plan.fold_dir(0))
    reseal(plan.fold_dir(0))

    with pytest.raises(ExperimentFailed, match=named):
        evaluate(plan)


def test_a_reference_mask_changed_since_the_training_fails(plan, photographs, tmp_path):
    root = tmp_path / "data"
    shutil.copytree(photographs, root)
    moved = plan.model_copy(update={"dataset": plan.dataset.model_copy(update={"root": str(root)})})
    write_mask(root / moved.dataset.cases[0].mask, np.ones((64, 64), np.uint8))

    with pytest.raises(ExperimentFailed, match="has changed since the dataset was read"):
        evaluate(moved)


def test_a_missing_disc_has_no_ratio_and_a_missing_cup_a_ratio_of_zero(plan):
    without_disc, without_cup = sorted((plan.fold_dir(0) / "masks").iterdir())[:2]
    write_mask(without_disc, np.zeros((64, 64), np.uint8))
    write_mask(without_cup, np.pad(np.ones((20, 20), np.uint8), 22))
    reseal(plan.fold_dir(0))

    result, cases = evaluate(plan)

    found = {case.image_id: case for case in cases}
    assert found[without_disc.stem].vcdr is None
    assert found[without_disc.stem].disc_dice == 0
    assert found[without_cup.stem].vcdr == 0
    assert result.metrics["vcdr_mae"].value == pytest.approx(np.mean([case.vcdr_error for case in cases]))


@given(st.floats(0, 1), st.floats(0, 1))
def test_missing_a_disc_never_helps(reference, guess):
    missed, guessed = (
        Case(image_id="a", patient_id="p", fold=0, vcdr=vcdr, vcdr_reference=reference)
        for vcdr in (None, guess)
    )

    assert missed.vcdr_error >= guessed.vcdr_error


@given(st.integers(0, 2**18 - 1), st.integers(0, 2**18 - 1))
def test_dice_is_monais(first, second):
    predicted, reference = (bits(number) for number in (first, second))
    if reference.any():  # MONAI leaves an empty reference undefined unless told otherwise
        assert dice(predicted, reference) == pytest.approx(monai_dice(predicted, reference))


def test_dice_of_nothing():
    nothing, something = np.zeros((2, 2), bool), np.eye(2, dtype=bool)

    assert dice(nothing, nothing) == 1
    assert dice(nothing, something) == dice(something, nothing) == 0


def labelled(vcdr: float | None, label: int, fold: int) -> Case:
    return Case(image_id=f"{vcdr}-{label}-{fold}", patient_id="p", fold=fold, label=label, vcdr=vcdr)


def test_no_label_helps_to_score_its_own_fold():
    cases = [labelled(v / 20, int(v > 10), fold) for v in range(2, 18) for fold in (0, 1)]
    flipped = [
        case.model_copy(update={"label": 1 - case.label}) if case.fold == 0 else case for case in cases
    ]

    before, after = cross_fitted(cases), cross_fitted(flipped)

    assert [c.probability for c in before if c.fold == 0] == [c.probability for c in after if c.fold == 0]
    assert [c.probability for c in before if c.fold == 1] != [c.probability for c in after if c.fold == 1]


def test_a_larger_cup_makes_glaucoma_likelier():
    model = fit_vcdr_model([labelled(v / 20, int(v > 10), 0) for v in range(2, 18)])

    assert model.probability_of(0.3) < 0.1 < 0.9 < model.probability_of(0.8)


def test_without_both_classes_there_is_no_probability():
    cases = [labelled(0.5, 1, fold) for fold in (0, 1)]

    assert fit_vcdr_model(cases) is None
    assert cross_fitted(cases) == cases


def test_an_eye_without_a_disc_gets_the_prevalence_of_the_other_folds():
    measured = [labelled(v / 20, int(v > 5), 0) for v in range(2, 18)]
    others = [labelled(0.4, 0, 1), labelled(0.7, 1, 1)]  # so that fold 0 can be scored too

    scored = cross_fitted([*measured, *others, labelled(None, 0, 1)])

    assert scored[-1].probability == 0.75


def test_an_eye_without_a_cup_is_scored_as_a_new_image_would_be():
    folds = {fold: [labelled(v / 20, int(v > 5), fold) for v in range(8)] for fold in (0, 1)}
    assert folds[0][0].vcdr == 0

    scored = cross_fitted([*folds[0], *folds[1]])

    assert scored[0].probability == fit_vcdr_model(folds[1]).probability_of(0.0)
    assert scored[0].probability < min(case.probability for case in scored[1:8])


def test_eyes_without_a_cup_help_to_fit_the_model():
    cases = [labelled(0.0, 0, 0), labelled(0.6, 1, 0)]

    assert fit_vcdr_model(cases) is not None
    assert fit_vcdr_model([labelled(None, 0, 0), labelled(0.6, 1, 0)]) is None


@pytest.mark.parametrize("probability", ["nan", "1.5", "", "high"])
def test_an_impossible_probability_fails(planner, tmp_path, probability):
    plan = planner(tmp_path, "classification")
    for fold in (0, 1):
        seal_probabilities(plan, fold, dict.fromkeys(plan.split.held_out(fold), "0.5"))
    result, _ = evaluate(plan)
    assert result.metrics["auc"].value == 0.5
    assert result.metrics["brier"].value == 0.25

    victim = plan.split.held_out(1)[0]
    seal_probabilities(plan, 1, {i: probability if i == victim else "0.5" for i in plan.split.held_out(1)})

    with pytest.raises(ExperimentFailed, match=victim):
        evaluate(plan)


def seal_probabilities(plan: TrainingPlan, fold: int, probabilities: dict[str, str]) -> None:
    folder = plan.fold_dir(fold)
    folder.mkdir(parents=True, exist_ok=True)
    plan.path.write_text(plan.model_dump_json())
    rows = [f"{image_id},{value}\n" for image_id, value in probabilities.items()]
    (folder / "predictions.csv").write_text("image_id,probability\n" + "".join(rows))
    (folder / "curve.csv").write_text("epoch,train_loss,held_out_loss\n1,0.5,\n")
    (folder / "model.pt").write_bytes(b"weights")
    (folder / "cams").mkdir(exist_ok=True)
    for image_id in probabilities:
        write_map(folder / "cams" / f"{image_id}.png", plan.spec.image_size_px)
    fields = {"startup_s": 1, "train_s": 1, "total_s": 1, "images": 1, "peak_memory_mib": 1, "files": {}}
    done = {"fold": fold, "key": fold_key(plan), "device": "cpu", **fields}
    finish_fold(folder, FoldDone.model_validate_json(json.dumps(done)))


def write_map(path: Path, size_px: int, value: int = 255) -> None:
    Image.fromarray(np.full((size_px, size_px), value, np.uint8)).save(path)


@pytest.fixture
def classification(classified, tmp_path) -> TrainingPlan:
    shutil.copytree(classified.run_dir, tmp_path / "exp-2")
    return classified.model_copy(update={"run_dir": str(tmp_path / "exp-2")})


def any_map(folder: Path) -> Path:
    return sorted((folder / "cams").iterdir())[0]


def test_a_classification_of_images_with_masks_has_its_disc_relevance(classification):
    result, cases = evaluate(classification)

    assert result.metrics["dri"].value == pytest.approx(np.mean([case.dri for case in cases]))
    assert len({case.dri for case in cases}) > 1
    assert all(0 <= case.dri <= 1 for case in cases)
    maps = [name for name in result.files if "/cams/" in name]
    assert len(maps) == len(classification.dataset.cases)
    case = cases[0]
    relevance = np.asarray(Image.open(classification.fold_dir(case.fold) / "cams" / f"{case.image_id}.png"))
    disc = np.asarray(Image.open(Path(classification.dataset.root) / "masks" / f"{case.image_id}.png")) >= 1
    relevant = relevance >= relevance.max() / 2  # at 64 px network and image share their frame
    assert case.dri == pytest.approx((relevant & disc).sum() / (relevant | disc).sum())


def test_a_map_is_of_the_model_that_never_saw_the_case(classification):
    for fold in range(classification.split.folds):
        names = {path.stem for path in (classification.fold_dir(fold) / "cams").iterdir()}
        assert names == set(classification.split.held_out(fold))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda folder: any_map(folder).unlink(), r"cams/.*cannot be opened"),
        (lambda folder: any_map(folder).write_bytes(b"\x89PNG\r\n"), "damaged"),
        (lambda folder: write_map(any_map(folder), 32), "32 × 32 px, not 64 px"),
        (lambda folder: Image.new("RGB", (64, 64)).save(any_map(folder)), "not grey"),
    ],
    ids=["no map", "torn", "size", "colour"],
)
def test_a_wrong_map_fails_even_with_the_right_hash(classification, change: Change, named):
    change(classification.fold_dir(0))
    reseal(classification.fold_dir(0))

    with pytest.raises(ExperimentFailed, match=named):
        evaluate(classification)


def test_a_map_changed_after_training_fails(classification):
    write_map(any_map(classification.fold_dir(0)), 64)

    with pytest.raises(ExperimentFailed, match=r"cams/.*was changed"):
        evaluate(classification)


def test_a_fold_trained_before_relevance_was_measured_does_not_count(classification):
    cases = [case.model_copy(update={"mask": None}) for case in classification.dataset.cases]
    without = classification.dataset.model_copy(update={"cases": tuple(cases)})
    assert fold_key(classification.model_copy(update={"dataset": without})) != fold_key(classification)


def test_without_masks_a_classification_has_no_disc_relevance(planner, tmp_path):
    plan = planner(tmp_path, "classification")
    cases = tuple(case.model_copy(update={"mask": None, "mask_sha256": None}) for case in plan.dataset.cases)
    plan = plan.model_copy(update={"dataset": plan.dataset.model_copy(update={"cases": cases})})
    for fold in (0, 1):
        seal_probabilities(plan, fold, dict.fromkeys(plan.split.held_out(fold), "0.5"))

    result, cases = evaluate(plan)

    assert "dri" not in result.metrics
    assert {case.dri for case in cases} == {None}


def bits(number: int) -> np.ndarray:
    return np.array([number >> place & 1 for place in range(18)], bool).reshape(3, 6)


def monai_dice(predicted: np.ndarray, reference: np.ndarray) -> float:
    tensors = (torch.from_numpy(mask.astype(np.float32))[None, None] for mask in (predicted, reference))
    return float(DiceMetric(include_background=True)(*tensors))


def drop_last_line(path: Path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def repeat_last_line(path: Path) -> None:
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, lines[-1]]))


def rename_last_line(path: Path) -> None:
    *lines, last = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines, "x" + last]))


def test_cases_lost_that_an_older_arc_measured_without_outlines_are_what_they_were(plan):
    path = Path(plan.run_dir) / CASES
    evaluate(plan, with_outlines=False)
    assert b"outlines" not in path.read_bytes()
    older = {CASES: sha256_of_file(path)}
    result, _ = evaluate(plan)
    assert result.files[CASES] != older[CASES]
    for files in (older, {CASES: result.files[CASES]}):
        path.unlink()
        measure_anew(Path(plan.run_dir), files)
        assert sha256_of_file(path) == files[CASES]
