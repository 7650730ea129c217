"""The director's modes, and the budgets they come with."""

import pytest

from arc_core.agents.briefs import DirectBrief
from arc_core.agents.director import MIND, choose_mode, scaled
from arc_core.experiments.board import Alarm, Directive
from tests.arc_core.agents.study import BASELINE, SPACE, outcome, recall


@pytest.mark.parametrize(
    ("best_by_cycle", "mode", "budget"),
    [
        ((), "explore", (1, 2, 0)),
        ((0.5, 0.9), "explore", (1, 2, 0)),  # fewer than three cycles, however large the change
        ((0.80, 0.80, 0.749), "recover", (3, 0, 0)),
        ((0.80, 0.80, 0.75), "explore", (0, 2, 1)),  # exactly −0.05 is not under it
        ((0.80, 0.80, 0.809), "explore", (0, 2, 1)),
        ((0.80, 0.80, 0.81), "explore", (1, 2, 0)),
        ((0.80, 0.80, 0.85), "explore", (1, 2, 0)),  # exactly 0.05 is not over it
        ((0.80, 0.80, 0.851), "exploit", (3, 0, 0)),
        ((0.10, 0.80, 0.80, 0.80, 0.80, 0.80), "explore", (0, 2, 1)),  # the first is out of the window
    ],
)
def test_the_mode_table(best_by_cycle: tuple[float, ...], mode: str, budget: tuple[int, int, int]) -> None:
    found, shares, _ = choose_mode(best_by_cycle, "mean_dice")
    assert (found, shares) == (mode, budget)


def test_where_lower_is_better_a_fall_is_a_gain() -> None:
    assert choose_mode((0.20, 0.15, 0.10), "vcdr_mae")[0] == "exploit"
    assert choose_mode((0.10, 0.15, 0.20), "vcdr_mae")[0] == "recover"


@pytest.mark.parametrize("shares", [(1, 2, 0), (3, 0, 0), (0, 2, 1)])
@pytest.mark.parametrize("slots", range(1, 12))
def test_a_scaled_budget_fills_the_slots(shares: tuple[int, int, int], slots: int) -> None:
    budget = scaled(shares, slots)
    counts = (budget.exploit, budget.explore, budget.wildcat)
    assert sum(counts) == slots
    assert all(abs(count - share * slots / 3) < 1 for count, share in zip(counts, shares, strict=True))
    assert slots != 3 or counts == shares


def directive(values: list[tuple[float, dict[str, object]]], slots: int = 3) -> Directive:
    outcomes = tuple(
        outcome(i, BASELINE.changed(changes), value, cycle=i + 1) for i, (value, changes) in enumerate(values)
    )
    return MIND.answer(
        DirectBrief(history=recall(outcomes), metric="mean_dice", space=SPACE, parent=BASELINE, slots=slots)
    )


def test_the_first_cycle_always_has_a_place_for_the_baseline() -> None:
    assert directive([], slots=1).budget.exploit == 1
    assert directive([], slots=3).budget.model_dump() == {"exploit": 1, "explore": 2, "wildcat": 0}


def test_exploiting_focuses_on_what_has_helped() -> None:
    found = directive(
        [(0.70, {}), (0.68, {"epochs": 10}), (0.80, {"image_size_px": 128})],
    )
    assert found.mode == "exploit"
    assert found.focus_axes == ("image_size_px",)
    assert found.forbidden_axes == ()


def test_recovering_bars_what_has_hurt() -> None:
    found = directive([(0.80, {}), (0.79, {"epochs": 10}), (0.70, {"image_size_px": 64})])
    assert found.mode == "recover"
    assert found.forbidden_axes == ("image_size_px", "epochs")


def test_a_mode_collapse_forces_exploration_whatever_the_trend() -> None:
    rising = tuple(outcome(i, BASELINE.changed({"seed": i}), 0.7 + 0.1 * i, cycle=i + 1) for i in range(3))
    history = recall(rising)
    alarm = Alarm(watchdog="mode_collapse", text="the board repeats itself", experiment_ids=("exp-000",))

    def found(*alarms: Alarm) -> Directive:
        seen = history.model_copy(update={"alarms": alarms})
        return MIND.answer(DirectBrief(history=seen, metric="mean_dice", space=SPACE, parent=BASELINE))

    forced = found(alarm)
    assert (forced.mode, forced.notes) == ("explore", "the board repeats itself")
    assert forced.budget.model_dump() == {"exploit": 0, "explore": 2, "wildcat": 1}
    assert found().mode == found(alarm.model_copy(update={"watchdog": "drift"})).mode == "exploit"
