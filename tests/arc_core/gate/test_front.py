"""The Pareto front and its volume, against their definitions counted out."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.experiments.board import Outcome
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.objectives import Objective
from arc_core.gate.front import front_of, hypervolume, nondominated
from tests.contracts.records import RESULT, SPEC

CELLS = 8
AXES = st.lists(st.sampled_from(sorted(METRICS)), min_size=1, max_size=4, unique=True)
FREE = Objective()


def on_a_grid(axes):
    """Points whose coordinates are eighths, so that ties are common and volumes exact."""
    point = st.tuples(*[st.integers(0, CELLS).map(lambda n: n / CELLS)] * len(axes))
    return st.tuples(st.just(axes), st.lists(point, max_size=12))


SETS = AXES.flatmap(on_a_grid)


def outcome(number: int, cycle: int = 1, **values: float) -> Outcome:
    metrics = {name: Estimate(value=value, low=value, high=value) for name, value in values.items()}
    result = RESULT.model_copy(update={"metrics": metrics})
    return Outcome(
        experiment_id=f"exp-{number}",
        cycle=cycle,
        spec=SPEC,
        status="finished",
        result=result if values else None,
    )


def dominates(one, other, axes) -> bool:
    better = [METRICS[name].is_better(a, b) for name, a, b in zip(axes, one, other, strict=True)]
    worse = [METRICS[name].is_better(b, a) for name, a, b in zip(axes, one, other, strict=True)]
    return any(better) and not any(worse)


@given(SETS)
def test_on_the_front_is_what_no_other_dominates(drawn):
    axes, points = drawn
    expected = [not any(dominates(other, point, axes) for other in points) for point in points]
    assert nondominated(points, axes).tolist() == expected


@given(SETS)
def test_the_volume_is_the_share_of_cells_behind_a_point(drawn):
    axes, points = drawn
    centres = (np.arange(CELLS) + 0.5) / CELLS
    behind = [
        any(
            all(METRICS[name].is_better(p, c) for name, p, c in zip(axes, point, cell, strict=True))
            for point in points
        )
        for cell in itertools.product(centres, repeat=len(axes))
    ]
    assert hypervolume(points, axes) == pytest.approx(np.mean(behind))


@given(SETS, st.lists(st.integers(1, 4), min_size=12, max_size=12))
def test_the_volume_after_a_cycle_is_that_of_all_experiments_so_far(drawn, cycles):
    axes, points = drawn
    outcomes = [
        outcome(n, cycle, **dict(zip(axes, point, strict=True)))
        for n, (point, cycle) in enumerate(zip(points, sorted(cycles), strict=False))
    ]
    front = front_of(outcomes, dict.fromkeys(axes, FREE))
    for volume in front.volumes:
        so_far = [p for p, o in zip(points, outcomes, strict=True) if o.cycle <= volume.cycle]
        assert volume.value == pytest.approx(hypervolume(so_far, axes))
    assert [v.value for v in front.volumes] == sorted(v.value for v in front.volumes)
    assert [v.cycle for v in front.volumes] == sorted({o.cycle for o in outcomes})


def test_what_breaks_a_constraint_is_not_on_the_front_and_beats_none():
    outcomes = [outcome(1, auc=0.7, dri=0.6), outcome(2, auc=0.9, dri=0.59), outcome(3, auc=0.6, dri=0.6)]
    front = front_of(outcomes, {"auc": FREE, "dri": Objective(constraint=0.6)})
    assert [each.place for each in front.contenders] == ["front", "constraint", "dominated"]
    assert front.at("constraint")[0].why == ("dri",)
    assert front.volumes[0].value == pytest.approx(0.7 * 0.6)
    free = front_of(outcomes, {"auc": FREE, "dri": FREE})
    assert [each.place for each in free.contenders] == ["front", "front", "dominated"]


def test_where_lower_is_better_the_bound_is_an_upper_one():
    outcomes = [outcome(1, mean_dice=0.8, vcdr_mae=0.1), outcome(2, mean_dice=0.9, vcdr_mae=0.11)]
    front = front_of(outcomes, {"mean_dice": FREE, "vcdr_mae": Objective(constraint=0.1)})
    assert [each.place for each in front.contenders] == ["front", "constraint"]


def test_an_objective_that_nothing_was_measured_in_is_left_aside():
    outcomes = [outcome(1, auc=0.7), outcome(2, auc=0.9)]
    front = front_of(outcomes, {"auc": FREE, "dri": Objective(constraint=0.6)})
    assert (front.axes, front.absent) == (("auc",), ("dri",))
    assert [each.place for each in front.contenders] == ["dominated", "front"]
    assert front.volumes[0].value == pytest.approx(0.9)


@pytest.mark.parametrize("missing", [{}, {"dri": math.nan}])
def test_what_lacks_an_objective_that_others_have_can_not_be_compared(missing):
    outcomes = [outcome(1, auc=0.99, **missing), outcome(2, auc=0.5, dri=0.5)]
    front = front_of(outcomes, {"auc": FREE, "dri": FREE})
    assert [each.place for each in front.contenders] == ["unmeasured", "front"]
    assert front.at("unmeasured")[0].why == ("dri",)


def test_numbers_count_experiments_that_have_no_result_too():
    outcomes = [outcome(1, auc=0.9), outcome(2, cycle=2), outcome(3, cycle=2, auc=0.8)]
    front = front_of(outcomes, {"auc": FREE})
    assert [(each.number, each.experiment_id) for each in front.contenders] == [(1, "exp-1"), (3, "exp-3")]


@pytest.mark.parametrize("outcomes", [[], [outcome(1)]])
def test_without_a_result_there_is_no_front(outcomes):
    front = front_of(outcomes, {"auc": FREE})
    assert (front.axes, front.contenders, front.volumes) == ((), (), ())
