"""Thresholds against every other there could be, Wilson's interval against scipy's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from arc_core.evaluation.threshold import choose_threshold, chosen_apart, confusion_of
from arc_core.evaluation.wilson import wilson
from tests.arc_core.evaluation.cohorts import cases_of, scored


@given(st.integers(1, 60), st.data())
def test_wilson_is_scipys_where_patients_have_one_image(n, data):
    k = data.draw(st.integers(0, n))
    found = wilson([True] * k + [False] * (n - k), [str(place) for place in range(n)])
    theirs = binomtest(k, n).proportion_ci(method="wilson")
    assert (found.value, found.low, found.high) == pytest.approx((k / n, theirs.low, theirs.high), abs=1e-12)


def test_two_images_of_a_patient_count_as_one_observation():
    twice = wilson([True, True, False, False] * 5, [str(place // 2) for place in range(20)])
    assert twice == wilson([True, False] * 5, [str(place) for place in range(10)])
    assert wilson([], []) is None


@given(scored(), st.sampled_from([0.5, 0.85, 1.0]))
def test_no_other_threshold_that_is_as_sensitive_is_more_specific(case, least):
    labels, scores, _ = case

    def at(threshold):
        hits = [s >= threshold for label, s in zip(labels, scores, strict=True) if label]
        clear = [s < threshold for label, s in zip(labels, scores, strict=True) if not label]
        return sum(hits) / len(hits), sum(clear) / len(clear)

    sensitivity, specificity = at(choose_threshold(labels, scores, least))
    assert sensitivity >= least
    assert all(at(other)[1] <= specificity for other in scores if at(other)[0] >= least)


def test_without_a_positive_no_threshold_can_be_chosen():
    with pytest.raises(ValueError, match="none of the tuning cases has label 1"):
        choose_threshold([0, 0], [0.1, 0.2])


@given(scored(), st.sampled_from([0.0, 0.2, 0.5]))
def test_the_counts_at_a_locked_threshold_are_sklearns(case, threshold):
    labels, scores, _ = case
    found = confusion_of(cases_of(labels, scores), threshold)
    counts = confusion_matrix(labels, [score >= threshold for score in scores]).ravel().tolist()
    assert [found.true_negative, found.false_positive, found.false_negative, found.true_positive] == counts
    assert found.locked
    assert set(found.thresholds.values()) == {threshold}


def test_what_there_is_none_of_has_no_share():
    found = confusion_of(cases_of([0, 1], [0.1, 0.2]), 0.5)
    assert found.ppv is None
    assert (found.sensitivity.value, found.specificity.value, found.npv.value) == (0, 1, 0.5)


def test_each_folds_threshold_comes_from_the_other_folds():
    cases = cases_of([1, 1, 0, 0], [0.9, 0.3, 0.1, 0.2], folds=2)
    found = chosen_apart(cases)
    assert found == {0: 0.3, 1: 0.9}
    told = confusion_of(cases, found)
    assert not told.locked
    assert (told.true_positive, told.false_negative, told.true_negative) == (1, 1, 2)
    assert chosen_apart(cases_of([1, 0, 1, 0], [0.9, 0.3, 0.1, 0.2], folds=2)) is None
