"""Each watchdog on both sides of its line, and silent on a sound board."""

import math

import pytest

from arc_core.agents.conduct import conduct
from arc_core.agents.watchdogs import VARIETY, variety, watch
from arc_core.experiments.board import Alarm, Outcome, Proposal
from tests.arc_core.agents.study import BASELINE, SPACE, outcome, run_study, said

ACROSS = (
    {"epochs": 20},
    {"batch_size": 16},
    {"loss.name": "dice"},
    {"image_size_px": 128},
    {"schedule": "cosine"},
)


def alarms(outcomes=(), cycles=None, metric="mean_dice") -> dict[str, Alarm]:
    return {alarm.watchdog: alarm for alarm in watch(outcomes, cycles or {}, SPACE, metric, BASELINE)}


def measured(*values: float | None, metric="mean_dice", start=0) -> tuple[Outcome, ...]:
    """One experiment per value and cycle, each of its own spec; None failed."""
    return tuple(
        outcome(start + i, BASELINE.changed({"seed": start + i}), value, cycle=start + i + 1, metric=metric)
        for i, value in enumerate(values)
    )


@pytest.mark.parametrize(
    ("values", "rings"),
    [
        ([0.90, 0.885, 0.87, 0.855, 0.84], True),  # −0.015 each
        ([0.90, 0.885, 0.87, 0.855], False),  # four points
        ([0.90, 0.89, 0.88, 0.87, 0.86], False),  # exactly −0.01 is not under it
        ([0.80, 0.815, 0.83, 0.845, 0.86], False),  # better and better
        ([0.80, 0.80, 0.80, 0.80, 0.80, 0.80, 0.749], True),  # a drop alone
        ([0.80, 0.80, 0.80, 0.80, 0.75], False),  # exactly −0.05 is not under it
        ([0.80] * 5 + [0.70] + [0.80] * 4, False),  # a drop that is over
        ([0.99] * 3 + [0.80] * 10, False),  # the fall has left the window
        ([0.80] * 4 + [float("nan")] * 6, False),  # what is no number is no point
    ],
)
def test_drift(values, rings):
    assert ("drift" in alarms(measured(*values))) == rings


def test_drift_follows_the_metric_s_direction():
    growing = [0.10 + 0.015 * i for i in range(6)]
    assert "drift" in alarms(measured(*growing, metric="vcdr_mae"), metric="vcdr_mae")
    assert "drift" not in alarms(measured(*growing))


def test_drift_names_the_measured_experiments_it_rests_on():
    falling = alarms(measured(0.9, 0.9, None, *(0.9 - 0.02 * i for i in range(9))))["drift"]
    assert falling.text.startswith("mean Dice worsens by 0.0")
    assert falling.experiment_ids == ("exp-001", *(f"exp-{i:03}" for i in range(3, 12)))
    dropped = alarms(measured(*[0.8] * 9, 0.7))["drift"]
    assert dropped.text == "mean Dice of exp-009 is 0.100 worse than the mean of the three before it"
    assert dropped.experiment_ids == ("exp-006", "exp-007", "exp-008", "exp-009")


def test_a_control_s_result_is_no_drift_of_the_board():
    past = measured(*[0.8] * 9, 0.7)
    control = said({"seed": 9}, proposer="control")
    assert control.spec == past[-1].spec
    assert "drift" not in alarms(past, {10: (control,)})


def test_variety_is_the_entropy_over_its_maximum():
    assert variety([1] * 9) == pytest.approx(1)
    assert variety([9]) == 0
    assert variety([3, 3, 3]) == pytest.approx(0.5)  # nine things of √9 kinds
    assert variety([7, 1, 1]) == pytest.approx(
        -(7 / 9 * math.log(7 / 9) + 2 / 9 * math.log(1 / 9)) / math.log(9)
    )


def proposed(*changes: dict[str, object]) -> tuple[Proposal, ...]:
    return tuple(said(each) for each in changes)


def test_changes_of_few_kinds_ring():
    ran = measured(0.8, 0.8)
    one_way = proposed(*({"epochs": n} for n in range(16, 25)))
    alarm = alarms(ran, {1: one_way[:4], 2: one_way[4:]})["diversity"]
    assert alarm.text == "the latest 9 changes are of 1 kind: 0% of the entropy that as many could have"
    assert alarm.experiment_ids == ("exp-000", "exp-001")
    both_ways = proposed(*({"epochs": n} for n in (10, 11, 12, 20, 21, 22)))
    assert "diversity" in alarms(ran, {1: both_ways})
    assert "diversity" not in alarms(ran, {1: proposed(*ACROSS)})
    assert "diversity" not in alarms(ran, {1: one_way[:4]})  # too few to say


def test_more_than_half_repeated_rings_and_names_the_cycles_experiments():
    ran = measured(0.8, 0.8, 0.8)
    new, again = proposed(*ACROSS), proposed(*ACROSS)
    alarm = alarms(ran, {1: new[:4], 2: again[:4], 3: again[:3]})["duplicates"]
    assert alarm.text == "7 of the latest 11 proposals had been tried or proposed before"
    assert alarm.experiment_ids == ("exp-000", "exp-001", "exp-002")
    assert "duplicates" not in alarms(ran, {1: new, 2: again})  # exactly half


def collapsing(cycles: int) -> dict[int, tuple[Proposal, ...]]:
    """After a varied start, each cycle says again what the first one said."""
    return {cycle: proposed(*ACROSS) for cycle in range(1, cycles + 1)}


def test_a_mode_collapse_sounds_through_the_cycles_it_forces():
    ran, sound = measured(*[0.8] * 12), {6: proposed({"epochs": 12}, {"batch_size": 4})}
    assert "mode_collapse" not in alarms(ran[:4], collapsing(4))
    alarm = alarms(ran[:5], collapsing(5))["mode_collapse"]
    assert alarm.text == (
        "4 cycles from 1 to 5 proposed what was known, or one direction only; "
        "exploration is forced up to cycle 10"
    )
    assert alarm.experiment_ids == tuple(f"exp-{i:03}" for i in range(5))
    for last in range(6, 10):
        quiet = dict.fromkeys(range(7, last + 1), ())
        assert alarms(ran, collapsing(5) | sound | quiet)["mode_collapse"] == alarm
    assert "mode_collapse" not in alarms(ran, collapsing(5) | sound | dict.fromkeys(range(7, 11), ()))


def test_where_the_cycles_ran_nothing_the_last_experiment_before_them_is_named():
    ran = measured(0.8, 0.8)
    late = {cycle + 4: made for cycle, made in collapsing(5).items()}
    assert {alarm.experiment_ids for alarm in alarms(ran, late).values()} == {("exp-001",)}
    assert alarms((), late) == {}


def test_nothing_tried_and_nothing_proposed_is_no_cause_for_alarm():
    assert watch((), {}, SPACE, "mean_dice") == ()


@pytest.mark.parametrize("seed", range(3))
def test_a_sound_board_is_not_accused(seed):
    outcomes, minutes = run_study(12, seed)
    cycles = {number: made for number, (_, made, _) in enumerate(minutes, 1)}
    for last in range(1, 13):
        so_far = tuple(each for each in outcomes if each.cycle <= last)
        seen = alarms(so_far, {n: made for n, made in cycles.items() if n <= last})
        assert seen.keys() <= {"drift"}  # exploring may well find worse specs
    recent = conduct(outcomes, cycles, SPACE, BASELINE)[-5:]
    kinds = [
        tuple(sorted((axis, value > 0) for axis, value in way.items()))
        for each in recent
        for way in each.directions
    ]
    assert variety([kinds.count(kind) for kind in set(kinds)]) > VARIETY + 0.1
