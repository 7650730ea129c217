"""Plots as SVG: ticks, scales and what is drawn, from made-up values."""

import re

import pytest

from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Point
from arc_core.experiments.study import Score
from arc_core.report.champions import differences
from arc_core.report.curves import MANY, best_so_far, learning_curve
from arc_core.report.plot import dots, drawn, span, steps
from tests.arc_core.agents.study import BASELINE


@pytest.mark.parametrize(
    ("values", "whole", "labels"),
    [
        ([0.41, 0.83], False, ("0.4", "0.5", "0.6", "0.7", "0.8")),
        ([1, 1], True, ("1",)),
        ([1, 2000], True, ("0", "500", "1,000", "1,500", "2,000")),
        ([0.9, 0.9], False, ("0.86", "0.88", "0.90", "0.92", "0.94")),
        ([], False, ("0.0", "0.5", "1.0")),
    ],
)
def test_ticks_are_round_and_inside(values, whole, labels):
    found = span(values, whole=whole)
    assert found.labels == labels
    assert all(found.low <= tick <= found.high for tick in found.ticks)
    assert all(found.low < value < found.high for value in values)


def test_a_step_holds_its_value_to_the_next():
    assert steps([(1, 5.0), (3, 7.0)], 4) == [(1, 5.0), (3, 5.0), (3, 7.0), (4, 7.0)]


def test_labels_are_text():
    x = y = span([0.0, 1.0])
    svg = drawn([dots("a", [(0, 0)], x, y)], x, y, title='"<b>', across="<i>", up="&")
    assert not re.search("<[bi]>", svg)
    assert 'aria-label="&#34;&lt;b&gt;"' in svg


def score(number: int, value: float, *, accepted: bool = False) -> Score:
    estimate = Estimate(value=value, low=value - 0.1, high=value + 0.1)
    return Score(number=number, estimate=estimate, accepted=accepted)


def paths(svg: str) -> dict[str, str]:
    return dict(re.findall(r'<path class="([^"]*)" d="([^"]*)"', svg))


def test_the_best_follows_the_metrics_direction():
    scores = [score(1, 0.5, accepted=True), score(2, 0.3), score(3, 0.6)]
    up, down = (paths(best_so_far(scores, metric))["best"] for metric in ("mean_dice", "vcdr_mae"))
    heights = [[float(y) for y in re.findall(r" ([\d.]+)", path)] for path in (up, down)]
    assert heights[0][0] > heights[0][-1]  # SVG's y points down
    assert heights[1][0] < heights[1][-1]


def test_what_is_not_finite_is_left_out():
    assert best_so_far([score(1, float("nan"))], "mean_dice") is None
    assert best_so_far([], "mean_dice") is None
    assert learning_curve([Point(fold=0, epoch=1, train_loss=float("inf"))]) is None
    assert "nan" not in best_so_far([score(1, 0.5), score(2, float("nan"))], "mean_dice")


@pytest.mark.parametrize(("count", "drawn_one_by_one"), [(MANY, True), (MANY + 1, False)])
def test_intervals_of_many_are_not_drawn(count, drawn_one_by_one):
    found = paths(best_so_far([score(i, 0.5) for i in range(1, count + 1)], "mean_dice"))
    assert ("whisker" in found) == drawn_one_by_one
    assert "band" in found


def test_what_changed_between_two_specs():
    other = BASELINE.changed({"optimiser.lr": 3e-3, "loss.name": "dice"})
    assert differences(BASELINE, other) == "loss dice_ce → dice, learning rate 0.001 → 0.003"
    assert differences(BASELINE, BASELINE) == ""
