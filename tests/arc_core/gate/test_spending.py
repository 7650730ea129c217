"""The error of a whole study, shared out among its comparisons."""

import math

import pytest

from arc_core.gate.spending import allowance, share


def test_the_shares_are_one_in_all_and_never_grow():
    shares = [share(number) for number in range(1, 200_001)]
    tail = 200_000**-0.3 / 0.3 * share(1)  # of the integral beyond
    assert math.fsum(shares) + tail == pytest.approx(1, abs=1e-6)
    assert shares == sorted(shares, reverse=True)


def test_what_finds_nothing_has_spent_its_share():
    assert allowance(0.05, []) == pytest.approx(0.05 * share(1))
    assert allowance(0.05, [False] * 9) == pytest.approx(0.05 * share(10))


def test_an_improvement_hands_its_allowance_on_to_the_next_alone():
    assert allowance(0.05, [True]) == pytest.approx(0.05 * (share(1) + share(2)))
    assert allowance(0.05, [True, True]) == pytest.approx(0.05 * (share(1) + share(2) + share(3)))
    assert allowance(0.05, [True, False]) == pytest.approx(0.05 * share(3))


def test_however_it_goes_no_more_than_alpha_is_at_risk_before_the_first_promotion():
    assert math.fsum(allowance(0.05, [False] * number) for number in range(5000)) < 0.05
