"""What a step is forecast to bring: its direction, and an interval as wide as the evidence is thin."""

import statistics

import pytest

from arc_core.agents.effects import Evidence
from arc_core.agents.forecast import chance_of_gain, forecast
from arc_core.experiments.metric import Estimate
from tests.arc_core.agents.study import BASELINE, outcome

LR = BASELINE.optimiser.lr
PARENT = Estimate(value=0.80, low=0.78, high=0.82)
RAISED, LOWERED = {"optimiser.lr": (LR, 3 * LR)}, {"optimiser.lr": (LR, LR / 3)}


def evidence(*tried: tuple[dict[str, object], float], metric: str = "mean_dice") -> Evidence:
    """Of a baseline at 0.80 and what was tried from it."""
    runs = [outcome(0, BASELINE, 0.80, metric=metric)]
    runs += [
        outcome(i, BASELINE.changed(changes), value, metric=metric)
        for i, (changes, value) in enumerate(tried, 1)
    ]
    return Evidence(runs, metric)


TWICE = evidence(({"optimiser.lr": 2 * LR}, 0.82), ({"optimiser.lr": 4 * LR}, 0.84))


def test_a_step_back_is_forecast_the_other_way() -> None:
    assert forecast(TWICE, "mean_dice", PARENT, RAISED).value == pytest.approx(0.83)
    assert forecast(TWICE, "mean_dice", PARENT, LOWERED).value == pytest.approx(0.77)


def test_where_lower_is_better_a_gain_lowers_the_value() -> None:
    errors = evidence(({"optimiser.lr": 2 * LR}, 0.78), ({"optimiser.lr": 4 * LR}, 0.76), metric="vcdr_mae")
    assert forecast(errors, "vcdr_mae", PARENT, RAISED).value == pytest.approx(0.77)


def test_two_points_leave_a_wide_interval() -> None:
    found = forecast(TWICE, "mean_dice", PARENT, LOWERED)
    half = 12.706 * statistics.stdev([0.02, 0.04]) * (1 + 1 / 2) ** 0.5  # Student's t, one degree
    assert found.low == pytest.approx(0.77 - half, abs=1e-4)
    assert found.high == pytest.approx(min(0.77 + half, 1), abs=1e-4)


def test_the_expected_gains_of_several_steps_add_up() -> None:
    known = evidence(
        ({"optimiser.lr": 2 * LR}, 0.82),
        ({"optimiser.lr": 4 * LR}, 0.84),
        ({"epochs": 30}, 0.81),
        ({"epochs": 40}, 0.81),
    )
    both = forecast(known, "mean_dice", PARENT, {**RAISED, "epochs": (15, 30)})
    assert both.value == pytest.approx(0.84)
    alone = forecast(known, "mean_dice", PARENT, {"epochs": (15, 30)})
    assert alone.low == alone.high == pytest.approx(0.81)


def test_one_similar_step_gives_the_value_and_all_steps_the_interval() -> None:
    known = evidence(({"optimiser.lr": 2 * LR}, 0.83), ({"epochs": 30}, 0.82), ({"epochs": 10}, 0.79))
    found = forecast(known, "mean_dice", PARENT, LOWERED)
    assert found.value == pytest.approx(0.77)
    assert found.low < 0.77 < found.high


def test_a_step_unlike_any_before_is_forecast_what_steps_have_brought() -> None:
    assert forecast(TWICE, "mean_dice", PARENT, {"epochs": (15, 30)}).value == pytest.approx(0.83)


def test_an_interval_cut_off_at_one_does_not_look_sure() -> None:
    cut = Estimate(value=0.99, low=0.89, high=1.0)
    whole = Estimate(value=0.79, low=0.69, high=0.89)
    sure = [
        chance_of_gain(found, "mean_dice", Estimate(value=found.value - 0.02, low=0, high=1))
        for found in (cut, whole)
    ]
    assert sure[0] == pytest.approx(sure[1])
