"""Patients and seeds: each makes a gain less certain."""

import math

import numpy as np
import pytest
from scipy.stats import t as student

from arc_core.gate.bootstrap import Deviation, paired_deviation
from arc_core.gate.contrast import chance_to_pass, contrast, floor_of, least_gain
from tests.arc_core.gate.test_bootstrap import cohort

GAIN = Deviation(gain=0.02, error=0.004, patients=50, fewest=50)


def moved(cases, by):
    return [case.model_copy(update={"disc_dice": case.disc_dice + by}) for case in cases]


def test_the_floor_is_the_pooled_spread_of_repeated_specs():
    rows = [(0.80, 0.82, 0.81), (0.7, 0.74), (0.9,)]
    floor = floor_of(rows)
    squares = sum(len(row) * np.var(row) for row in rows)
    assert (floor.sd, floor.degrees, floor.specs) == (pytest.approx(math.sqrt(squares / 3)), 3, 2)
    assert floor_of([(0.8,), (0.9,)]) is None


def test_seeds_and_patients_add_up_and_the_tail_is_students():
    floor = floor_of([(0.80, 0.81, 0.82)] * 5)
    found = contrast(GAIN, [0.9] * 3, [0.88] * 3, floor)
    of_seeds = floor.sd * math.sqrt(2 / 3)
    assert found.error == pytest.approx(math.hypot(0.004, of_seeds))
    degrees = found.error**4 / (0.004**4 / 49 + of_seeds**4 / 10)
    assert found.degrees == pytest.approx(degrees)
    assert found.p_value == pytest.approx(student.sf(0.02 / found.error, degrees))
    assert found.p_loss == pytest.approx(student.cdf(0.02 / found.error, degrees))
    effect = found.between(0.01, 0.05)
    assert student.cdf((0.02 - effect.low) / found.error, degrees) == pytest.approx(0.99)
    assert student.cdf((0.02 - effect.high) / found.error, degrees) == pytest.approx(0.05)


def test_sides_that_vary_more_than_the_floor_are_taken_at_their_word():
    floor = floor_of([(0.800, 0.801)] * 8)
    calm = contrast(GAIN, [0.9] * 3, [0.88] * 3, floor)
    wild = contrast(GAIN, [0.85, 0.9, 0.95], [0.88] * 3, floor)
    assert wild.error > 3 * calm.error
    assert wild.p_value > calm.p_value


def test_the_same_lead_in_every_case_from_seeds_that_change_nothing_is_certain():
    floor, sure = floor_of([(0.8, 0.8)]), Deviation(0.02, 0.0, 50, 50)
    assert contrast(sure, [0.82] * 2, [0.8] * 2, floor).p_value == 0
    assert contrast(sure._replace(gain=-0.02), [0.78] * 2, [0.8] * 2, floor).p_loss == 0
    assert contrast(sure._replace(gain=0.0), [0.8] * 2, [0.8] * 2, floor).p_value == 1


def test_the_chance_to_pass_grows_with_the_lead_and_with_the_allowance():
    floor = floor_of([(0.80, 0.81, 0.82)])
    chances = [
        chance_to_pass(GAIN._replace(gain=gain), [0.8] * 3, floor, 3, 0.01) for gain in (0, 0.03, 0.09)
    ]
    assert chances == sorted(chances)
    assert chances[0] < 0.01 < 0.9 < chances[-1]
    assert chance_to_pass(GAIN, [0.8] * 3, floor, 3, 0.1) > chance_to_pass(GAIN, [0.8] * 3, floor, 3, 0.001)


def test_the_error_by_patients_is_that_of_the_mean_gain():
    ours, theirs = cohort(eyes=1, seed=1), cohort(eyes=1, seed=2)
    theirs = [
        mine.model_copy(update={"disc_dice": other.disc_dice})
        for mine, other in zip(ours, theirs, strict=True)
    ]
    gains = [mine.disc_dice - other.disc_dice for mine, other in zip(ours, theirs, strict=True)]
    found = paired_deviation("disc_dice", [ours], [theirs], resamples=4000)
    assert found.gain == pytest.approx(np.mean(gains))
    assert found.error == pytest.approx(np.std(gains, ddof=1) / math.sqrt(len(gains)), rel=0.05)
    assert found.patients == 30


def test_each_side_is_the_mean_over_its_seeds():
    cases = cohort()
    found = paired_deviation("disc_dice", [moved(cases, 0.03), moved(cases, 0.01)], [cases], resamples=200)
    assert found.gain == pytest.approx(0.02)
    assert found.error == pytest.approx(0, abs=1e-9)


def test_eyes_of_one_patient_count_once():
    def noisy(cases, seed):
        rng = np.random.default_rng(seed)
        by = {patient: rng.normal(0, 0.02) for patient in sorted({case.patient_id for case in cases})}
        return [case.model_copy(update={"disc_dice": case.disc_dice + by[case.patient_id]}) for case in cases]

    one, two = cohort(eyes=1), cohort(eyes=2)
    errors = [paired_deviation("disc_dice", [noisy(each, 3)], [each]).error for each in (one, two)]
    assert errors[0] == pytest.approx(errors[1], rel=0.05)


def test_no_gain_under_the_least_one_passes_however_sure_the_patients() -> None:
    floor = floor_of([(0.80, 0.81, 0.82)])
    least, then = least_gain(floor, 3, 0.0127), floor.model_copy(update={"degrees": 4})
    for gain, passes in ((0.99 * least, False), (1.01 * least, True)):
        found = contrast(Deviation(gain, 0.0, 50, 50), [0.8] * 3, [0.8] * 3, then)
        assert (found.p_value <= 0.0127) is passes
