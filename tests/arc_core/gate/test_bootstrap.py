import math
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_core.errors import ExperimentFailed
from arc_core.experiments.metric import OF_TASK
from arc_core.experiments.result import Case
from arc_core.gate.bootstrap import interval, measure, paired_gain
from arc_core.gate.weighted import patient_weights, weighted_auc, weighted_mean, weighted_sensitivity


def cohort(patients=30, eyes=2, shift=0.0, seed=0) -> list[Case]:
    rng = np.random.default_rng(seed)
    cases = []
    for patient in range(patients):
        level, label = rng.normal(0.8, 0.05), patient % 2
        for eye in range(eyes):
            dice = float(np.clip(level + rng.normal(0, 0.02) + shift, 0, 1))
            cases.append(
                Case(
                    image_id=f"p{patient}_{eye}",
                    patient_id=f"p{patient}",
                    fold=patient % 4,
                    label=label,
                    probability=float(1 / (1 + math.exp(-rng.normal(2 * label - 1 + 10 * shift, 1)))),
                    disc_dice=dice,
                    cup_dice=dice - 0.1,
                    vcdr=0.5,
                    vcdr_reference=float(0.5 + rng.normal(0, 0.05)),
                )
            )
    return cases


def test_values_are_the_plain_statistics():
    cases = cohort()
    found = measure(cases, "segmentation", resamples=200)
    assert set(found) == set(OF_TASK["segmentation"])
    assert found["disc_dice"].value == pytest.approx(np.mean([case.disc_dice for case in cases]))
    assert found["mean_dice"].value == pytest.approx(found["disc_dice"].value - 0.05)
    assert found["vcdr_mae"].value == pytest.approx(np.mean([abs(0.5 - c.vcdr_reference) for c in cases]))
    assert found["brier"].value == pytest.approx(np.mean([(c.probability - c.label) ** 2 for c in cases]))
    for estimate in found.values():
        assert estimate.low < estimate.high
        assert estimate.low <= estimate.value <= estimate.high
        assert estimate.patients == 30


def test_classification_measures_no_dice():
    found = set(measure(cohort(), "classification", resamples=200))
    assert found == {"auc", "brier", "sensitivity_at_85", "sensitivity_at_95"}


def with_dri(cases: list[Case], values: list[float | None]) -> list[Case]:
    return [case.model_copy(update={"dri": dri}) for case, dri in zip(cases, values, strict=True)]


def test_dri_is_the_mean_over_the_cases_that_have_a_mask():
    cases = cohort(10, eyes=1)
    some = with_dri(cases, [0.2, 0.4, 0.6, *[None] * 7])
    assert interval(some, "dri").value == pytest.approx(0.4)
    assert interval(some, "dri").patients == 3
    assert interval(some, "auc") == interval(cases, "auc")
    assert interval(cases, "dri") is None


def test_dri_gains_over_a_champion_that_has_it_and_can_not_be_told_over_one_without():
    cases = cohort(10, eyes=1)
    low, high = (with_dri(cases, [dri] * 8 + [None] * 2) for dri in (0.3, 0.5))
    gain = paired_gain("dri", high, low)
    assert (gain.value, gain.patients) == (pytest.approx(0.2), 8)
    assert paired_gain("dri", high, cases) is None


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_auc_equals_sklearn_with_ties_and_weights(data):
    from sklearn.metrics import roc_auc_score

    count = data.draw(st.integers(2, 30))
    labels = [0, 1, *data.draw(st.lists(st.integers(0, 1), min_size=count - 2, max_size=count - 2))]
    scores = data.draw(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=count, max_size=count))
    weights = [1, 1, *data.draw(st.lists(st.integers(0, 4), min_size=count - 2, max_size=count - 2))]
    ours = weighted_auc(labels, scores)(np.array([weights], float))[0]
    assert ours == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data(), st.sampled_from([0.5, 0.85, 0.95, 1.0]))
def test_sensitivity_is_the_highest_point_of_sklearns_curve_left_of_the_bound(data, specificity):
    from sklearn.metrics import roc_curve

    count = data.draw(st.integers(2, 40))
    labels = [0, 1, *data.draw(st.lists(st.integers(0, 1), min_size=count - 2, max_size=count - 2))]
    scores = data.draw(st.lists(st.sampled_from([0.1, 0.2, 0.5, 0.9]), min_size=count, max_size=count))
    weights = [1, 1, *data.draw(st.lists(st.integers(0, 4), min_size=count - 2, max_size=count - 2))]
    alarms, hits, _ = roc_curve(labels, scores, sample_weight=weights, drop_intermediate=False)
    expected = hits[alarms <= 1 - specificity + 1e-9].max()
    ours = weighted_sensitivity(labels, scores, specificity=specificity)(np.array([weights], float))[0]
    assert ours == pytest.approx(expected)


def test_sensitivity_is_torchmetrics_own():
    import torch
    from torchmetrics.functional.classification import binary_sensitivity_at_specificity

    cases = cohort(40)
    scores, labels = (torch.tensor([getattr(c, name) for c in cases]) for name in ("probability", "label"))
    for metric, specificity in (("sensitivity_at_85", 0.85), ("sensitivity_at_95", 0.95)):
        theirs, _ = binary_sensitivity_at_specificity(scores.double(), labels, min_specificity=specificity)
        assert interval(cases, metric, resamples=200).value == pytest.approx(float(theirs))


def test_sensitivity_needs_both_classes():
    statistic = weighted_sensitivity([0, 1], [0.1, 0.9], specificity=0.85)
    assert np.isnan(statistic(np.array([[1.0, 0.0], [0.0, 2.0]]))).all()
    assert statistic(np.array([[1.0, 1.0]]))[0] == 1


@pytest.mark.parametrize("metric", ["mean", "auc"])
def test_weights_equal_explicit_resampling_of_patients(metric):
    from sklearn.metrics import roc_auc_score

    cases = cohort(12, eyes=2)
    labels, scores = [c.label for c in cases], [c.probability for c in cases]
    patients = [case.patient_id for case in cases]
    statistic = weighted_mean(scores) if metric == "mean" else weighted_auc(labels, scores)
    (weights,) = patient_weights(patients, 50, seed=1)
    for row, value in zip(weights, statistic(weights), strict=True):
        assert len({(patient, weight) for patient, weight in zip(patients, row, strict=True)}) == 12
        assert row.sum() == len(cases)  # twelve draws of two eyes
        again = [index for index, weight in enumerate(row) for _ in range(int(weight))]
        copies = [scores[i] for i in again]
        if metric == "mean":
            assert value == pytest.approx(np.mean(copies))
        else:
            assert value == pytest.approx(roc_auc_score([labels[i] for i in again], copies))


def test_two_eyes_are_no_two_patients():
    """Copies of every image must not narrow the interval."""
    once = cohort(25, eyes=1)
    twice = once + [case.model_copy(update={"image_id": case.image_id + "b"}) for case in once]
    one, two = (interval(cases, "disc_dice", seed=3) for cases in (once, twice))
    assert (two.low, two.high) == pytest.approx((one.low, one.high))
    as_if = [case.model_copy(update={"patient_id": case.image_id}) for case in twice]
    narrow = interval(as_if, "disc_dice", seed=3)
    assert narrow.high - narrow.low < 0.8 * (one.high - one.low)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    hits = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        cases = [
            Case(
                image_id=f"{patient}-{eye}",
                patient_id=str(patient),
                fold=0,
                disc_dice=float(level + rng.normal(0, 0.03)),
                cup_dice=0.5,
            )
            for patient, level in enumerate(rng.normal(0.7, 0.1, 40))
            for eye in range(2)
        ]
        found = interval(cases, "disc_dice", resamples=400, seed=seed)
        hits += found.low <= 0.7 <= found.high
    assert 0.90 <= hits / 300 <= 0.98


def test_the_order_of_cases_does_not_matter_and_the_seed_does():
    cases = cohort()
    mixed = random.Random(0).sample(cases, len(cases))
    assert measure(cases, "segmentation") == measure(mixed, "segmentation")
    assert interval(cases, "auc", seed=1) != interval(cases, "auc", seed=2)


def test_a_higher_level_is_wider():
    narrow, wide = (interval(cohort(), "auc", level=level) for level in (0.8, 0.99))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_undefined_metrics_are_absent():
    unlabelled = [case.model_copy(update={"label": None}) for case in cohort()]
    assert set(measure(unlabelled, "segmentation", resamples=200)) == {
        "mean_dice",
        "disc_dice",
        "cup_dice",
        "vcdr_mae",
    }
    one_class = [case.model_copy(update={"label": 1}) for case in cohort()]
    assert "auc" not in measure(one_class, "segmentation", resamples=200)
    assert interval([], "disc_dice") is None


def test_a_metric_with_a_gap_is_absent_rather_than_flattering():
    first, *rest = cohort()
    cases = [first.model_copy(update={"vcdr_reference": None}), *rest]
    assert interval(cases, "vcdr_mae") is None
    assert interval(cases, "disc_dice") is not None


def test_resamples_of_one_class_are_left_out():
    rare = [case.model_copy(update={"label": int(case.patient_id == "p3")}) for case in cohort(8, eyes=1)]
    found = interval(rare, "auc")  # about a third of the resamples miss the only ill patient
    assert found is not None
    assert 0 <= found.low <= found.high <= 1
    # Two patients, one ill: half of the resamples have one class, and often more than half.
    pair = [case.model_copy(update={"label": i}) for i, case in enumerate(cohort(2, eyes=1))]
    drawn = np.concatenate([weighted_auc([0, 1], [0.1, 0.9])(w) for w in patient_weights(["a", "b"], 500, 0)])
    assert (interval(pair, "auc", resamples=500, seed=0) is None) == (np.isfinite(drawn).mean() < 0.5)


def test_a_value_that_is_not_finite_is_a_failed_experiment():
    first, *rest = cohort()
    cases = [first.model_copy(update={"disc_dice": math.nan}), *rest]
    with pytest.raises(ExperimentFailed, match="p0_0 is nan"):
        measure(cases, "segmentation")


def test_an_image_measured_twice_is_refused():
    cases = cohort(4)
    with pytest.raises(ValueError, match="p1_0 was measured twice"):
        interval([*cases, cases[2]], "disc_dice")


@pytest.mark.parametrize(("metric", "sign"), [("disc_dice", 1), ("vcdr_mae", 1), ("auc", 0), ("brier", 0)])
def test_gain_is_the_difference_positive_when_better(metric, sign):
    worse = cohort()
    better = [
        case.model_copy(update={"disc_dice": case.disc_dice + 0.01, "vcdr": case.vcdr_reference})
        for case in worse
    ]
    gain = paired_gain(metric, better, worse)
    assert np.sign(gain.value) == sign
    back = paired_gain(metric, worse, better)
    assert (back.value, back.low, back.high) == pytest.approx((-gain.value, -gain.high, -gain.low))


def test_pairing_removes_what_makes_a_case_hard():
    worse = cohort()
    better = [case.model_copy(update={"disc_dice": case.disc_dice + 0.01}) for case in worse]
    gain, own = paired_gain("disc_dice", better, worse), interval(worse, "disc_dice")
    assert gain.value == pytest.approx(0.01)
    assert gain.high - gain.low < 1e-9 < own.high - own.low


def test_many_images_are_resampled_in_blocks_with_equal_result(monkeypatch):
    cases = cohort(30)
    whole = interval(cases, "auc")
    monkeypatch.setattr("arc_core.gate.weighted._CHUNK", 1000)
    assert interval(cases, "auc") == whole


@pytest.mark.parametrize("change", [{"image_id": "other"}, {"patient_id": "other"}, {"label": 1}])
def test_different_cases_cannot_be_paired(change):
    first, *rest = cohort()
    with pytest.raises(ValueError, match="not measured on the same cases"):
        paired_gain("disc_dice", [first, *rest], [first.model_copy(update=change), *rest])
