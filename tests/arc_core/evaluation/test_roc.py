"""The ROC's figures against MLstatkit, confidenceinterval, sklearn, and DeLong's own formula."""

import numpy as np
import pytest
from hypothesis import given
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import roc_auc_score, roc_curve

from arc_core.evaluation.cohort import Cohort
from arc_core.evaluation.roc import delong, roc_of, standardised, weighted_partial_auc
from arc_core.experiments.metric import Estimate
from tests.arc_core.evaluation.cohorts import cases_of, drawn_apart, scored

PUBLIC = load_breast_cancer()
MALIGNANT = (1 - PUBLIC.target).tolist()


def feature(name: str) -> list[float]:
    return PUBLIC.data[:, list(PUBLIC.feature_names).index(name)].tolist()


@pytest.mark.parametrize(
    ("name", "auc", "low", "high"),
    [
        ("mean texture", 0.7758244807356904, 0.7371459378115024, 0.8145030236598785),
        ("mean smoothness", 0.7220416468474182, 0.680360556277818, 0.7637227374170183),
        ("texture error", 0.5115942603456476, 0.46385434600523934, 0.5593341746860558),
    ],
)
def test_delong_is_that_of_mlstatkit_and_confidenceinterval(name, auc, low, high):
    # Of MLstatkit 0.1.91 on this public data; confidenceinterval 1.0.5, in float32, agrees to six digits.
    found = delong(MALIGNANT, feature(name))
    assert (found.value, found.low, found.high) == pytest.approx((auc, low, high), abs=1e-12)


@given(scored())
def test_delong_is_the_formula_of_the_paper(case):
    labels, scores, _ = case
    ill, well = ([s for label, s in zip(labels, scores, strict=True) if label == of] for of in (1, 0))
    found = delong(labels, scores)
    if min(len(ill), len(well)) < 2:
        assert found is None
        return
    psi = np.array([[(x > y) + (x == y) / 2 for y in well] for x in ill])
    variance = psi.mean(axis=1).var(ddof=1) / len(ill) + psi.mean(axis=0).var(ddof=1) / len(well)
    half = 1.959963984540054 * variance**0.5
    assert found.value == pytest.approx(psi.mean())
    ends = max(0, psi.mean() - half), min(1, psi.mean() + half)
    assert (found.low, found.high) == pytest.approx(ends, abs=1e-9)


@given(scored())
def test_partial_auc_is_sklearns_under_any_weights(case):
    labels, scores, weights = case
    raw = weighted_partial_auc(labels, scores, max_fpr=0.1)(np.array([weights], float))[0]
    found = standardised(Estimate(value=raw, low=raw, high=raw))
    assert found.value == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights, max_fpr=0.1))
    assert found.low == found.high == found.value


def test_chance_has_a_standardised_partial_auc_of_a_half_and_perfection_of_one():
    def found(scores):
        raw = weighted_partial_auc([0, 1] * 4, scores)(np.ones((1, 8)))[0]
        return raw, standardised(Estimate(value=raw, low=raw, high=raw)).value

    assert found([0.5] * 8) == pytest.approx((0.005, 0.5))
    assert found([0.1, 0.9] * 4) == pytest.approx((0.1, 1.0))


def test_the_curve_is_sklearns_within_its_band():
    labels, scores = drawn_apart(200)
    roc = roc_of(Cohort(cases_of(labels, scores, eyes=2), resamples=400))
    across, up, _ = roc_curve(labels, scores, drop_intermediate=False)
    assert roc.sensitivity == pytest.approx(np.interp(roc.fpr, across, up))
    assert all(low <= own <= high for own, low, high in zip(roc.sensitivity, roc.low, roc.high, strict=True))
    middle = len(roc.fpr) // 4
    assert roc.low[middle] < roc.sensitivity[middle] < roc.high[middle]


def test_without_scores_there_is_no_curve():
    cases = [case.model_copy(update={"label": 1}) for case in cases_of([0, 1, 1], [0.2, 0.4, 0.8])]
    assert roc_of(Cohort(cases)) is None
