"""Calibration against sklearn's logistic regression and calibration curve, and torchmetrics' ECE."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from torchmetrics.functional.classification import binary_calibration_error

from arc_core.evaluation.calibration import bins_of, calibration_of, equal_mass, expected_error
from arc_core.evaluation.cohort import Cohort
from arc_core.evaluation.logistic import weighted_logistic
from tests.arc_core.evaluation.cohorts import cases_of, drawn_apart, scored


@pytest.mark.parametrize(("slope", "intercept"), [(1, 0), (0.4, -1), (3, 2), (0, 0)])
def test_the_regression_is_sklearns_under_any_weights(slope, intercept):
    labels, scores = drawn_apart(150, slope=slope, intercept=intercept, seed=3)
    logits = np.log(np.array(scores) / (1 - np.array(scores)))
    weights = np.random.default_rng(1).integers(0, 4, (5, len(labels))).astype(float)
    found = weighted_logistic(np.array(labels), logits)(weights)
    for row, own in zip(weights, found, strict=True):
        model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=10_000)
        model.fit(logits[:, None], labels, sample_weight=row)
        assert own == pytest.approx([model.intercept_[0], model.coef_[0, 0]], abs=1e-5)


@pytest.mark.parametrize(
    ("labels", "values"),
    [
        ([0, 0, 1, 1], [1.0, 2.0, 3.0, 4.0]),
        ([1, 1, 0, 0], [1.0, 2.0, 3.0, 4.0]),
        ([0, 0, 1, 1], [1.0, 2.0, 2.0, 4.0]),
        ([0, 0, 1, 1], [2.0, 2.0, 2.0, 2.0]),
        ([0, 0, 0, 0], [1.0, 2.0, 3.0, 4.0]),
    ],
    ids=["separated", "the other way", "but for a tie", "one value", "one class"],
)
def test_without_a_finite_fit_there_is_none(labels, values):
    assert np.isnan(weighted_logistic(np.array(labels), np.array(values))(np.ones((1, 4)))).all()


@given(st.lists(st.tuples(st.integers(0, 1), st.floats(-30, 30)), min_size=4, max_size=30))
def test_a_fit_that_is_given_is_one(pairs):
    labels, values = (np.array(column) for column in zip(*pairs, strict=True))
    (intercept, slope), *_ = weighted_logistic(labels, values)(np.ones((1, len(pairs))))
    if np.isfinite(slope):  # the likelihood's slope vanishes in both directions
        rest = labels - 1 / (1 + np.exp(-np.clip(intercept + slope * values, -500, 500)))
        assert (rest.mean(), (rest * values).mean()) == pytest.approx((0, 0), abs=1e-5)


def test_a_model_that_is_too_sure_has_a_slope_under_one():
    labels, scores = drawn_apart(600, slope=0.5, intercept=-0.5)
    found = calibration_of(Cohort(cases_of(labels, scores), resamples=400))
    assert found.slope.low < 0.5 < found.slope.high < 1
    assert found.intercept.low < -0.5 < found.intercept.high < 0


def test_probabilities_of_zero_and_one_are_calibrated_too():
    labels, scores = [0, 1, 0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0, 0.9, 0.2]
    found = calibration_of(Cohort(cases_of(labels, scores), resamples=200))
    assert found.slope is not None
    assert found.bins[0].images == 6


def test_the_bins_are_those_of_sklearns_calibration_curve():
    labels, scores = drawn_apart(203)
    found = calibration_of(Cohort(cases_of(labels, scores), resamples=200))
    observed, predicted = calibration_curve(labels, scores, n_bins=10, strategy="quantile")
    assert [each.predicted for each in found.bins] == pytest.approx(predicted)
    assert [each.observed.value for each in found.bins] == pytest.approx(observed)
    assert sum(each.images for each in found.bins) == 203


@given(scored(most=80))
def test_ties_fall_into_the_bins_they_fall_into_in_sklearn(case):
    labels, scores, _ = case
    cohort = Cohort(cases_of(labels, scores), resamples=1)
    count = len(equal_mass(np.array(scores))) + 1
    found = bins_of(cohort, equal_mass(np.array(scores)))
    observed, predicted = calibration_curve(labels, scores, n_bins=count, strategy="quantile")
    assert [each.predicted for each in found] == pytest.approx(predicted)
    assert [each.observed.value for each in found] == pytest.approx(observed)


@pytest.mark.parametrize(("images", "bins"), [(4, 1), (12, 2), (49, 9), (200, 10)])
def test_few_images_make_few_bins(images, bins):
    assert len(equal_mass(np.linspace(0, 1, images))) + 1 == bins


def test_ece_is_torchmetrics_own_where_the_bins_are():
    labels, scores = drawn_apart(300)
    cohort = Cohort(cases_of(labels, scores), resamples=200)
    found = expected_error(bins_of(cohort, np.linspace(0, 1, 11)[1:-1]))
    theirs = binary_calibration_error(torch.tensor(scores), torch.tensor(labels), n_bins=10, norm="l1")
    assert found == pytest.approx(float(theirs), abs=1e-6)
