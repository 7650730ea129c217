import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.training.weighting import class_weights, classes_of, effective_number

COUNTS = st.lists(st.integers(1, 10**9), min_size=2, max_size=3)


@given(st.integers(0, 300), st.integers(2, 300))
def test_the_effective_number_is_what_drawing_one_after_another_covers(count, total):
    """The paper's recursion: a new sample overlaps with what is covered with probability E / N."""
    covered = 0.0
    for _ in range(count):
        covered = 1 + (1 - 1 / total) * covered
    assert effective_number(count, total) == pytest.approx(covered)


@given(COUNTS, st.sampled_from(["balanced", "effective_number"]))
def test_weights_are_one_on_average_and_fall_with_the_count(counts, weighting):
    weights = class_weights(weighting, counts)

    assert sum(weights) == pytest.approx(len(counts))
    by_count = [weight for _, weight in sorted(zip(counts, weights, strict=True))]
    assert by_count == sorted(by_count, reverse=True)


@given(COUNTS)
def test_balanced_classes_weigh_the_same_in_all(counts):
    shares = [count * weight for count, weight in zip(counts, class_weights("balanced", counts), strict=True)]
    assert shares == pytest.approx([shares[0]] * len(counts))


def test_the_effective_number_weighs_less_than_the_plain_number():
    balanced, effective = (class_weights(kind, (900, 100)) for kind in ("balanced", "effective_number"))
    assert balanced == pytest.approx((0.2, 1.8))
    assert balanced[0] < effective[0] < 1 < effective[1] < balanced[1]


def test_more_of_all_changes_no_weight():
    few, many = (class_weights("effective_number", [n * k for n in (50, 9, 4)]) for k in (100, 10**6))
    assert few == pytest.approx(many, rel=1e-3)


@pytest.mark.parametrize("weighting", ["balanced", "effective_number"])
def test_a_class_that_never_occurs_weighs_one(weighting):
    weights = class_weights(weighting, (300, 100, 0))
    assert weights[2] == 1
    assert weights[:2] == class_weights(weighting, (300, 100))


def test_without_weighting_there_are_none():
    assert classes_of("none", (3, 1)).weights is None
    assert classes_of("balanced", (3, 1)).counts == (3, 1)
