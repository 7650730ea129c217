"""What each cycle proposed: repeats, directions, and the collapse that forces exploration."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.agents.conduct import Conduct, conduct, cosine, direction, forced_by
from tests.arc_core.agents.study import BASELINE, SPACE, outcome, said


def only(*proposals, outcomes=()) -> Conduct:
    """The conduct of a first cycle that made these proposals."""
    (found,) = conduct(outcomes, {1: proposals}, SPACE, BASELINE)
    return found


def test_a_number_is_a_signed_step_within_the_space_and_a_name_is_one_hot():
    changes = {"optimiser.lr": 1e-4, "image_size_px": 128, "loss.name": "dice"}
    # lr: half of two decades down; size: one of two steps up; the name: a step of 1.
    steps = {("optimiser.lr", ""): -0.5, ("image_size_px", ""): 0.5, ("loss.name", "dice"): 1.0}
    length = math.sqrt(1.5)
    assert direction(changes, BASELINE.flat(), SPACE) == pytest.approx(
        {axis: step / length for axis, step in steps.items()}
    )


def test_what_does_not_change_within_the_space_has_no_direction():
    assert direction({"optimiser.lr": BASELINE.optimiser.lr, "seed": 4}, BASELINE.flat(), SPACE) == {}
    assert direction({}, BASELINE.flat(), SPACE) == {}


def test_the_cosine_is_that_of_the_changes_not_of_the_whole_specs():
    assert only(said({"epochs": 20}), said({"epochs": 30})).cosine == pytest.approx(1)
    assert only(said({"epochs": 20}), said({"epochs": 10})).cosine == pytest.approx(-1)
    assert only(said({"epochs": 20}), said({"batch_size": 16})).cosine == pytest.approx(0)
    assert only(said({"loss.name": "dice"}), said({"loss.name": "focal"})).cosine == pytest.approx(0)


def test_a_proposal_is_never_compared_with_itself_nor_with_its_own_experiment():
    assert only(said({"epochs": 20})).cosine is None
    assert only(said({"epochs": 20})).repeats == 0
    assert (
        only(said({"epochs": 20}), outcomes=(outcome(0, said({"epochs": 20}).spec, 0.8, cycle=1),)).repeats
        == 0
    )


def test_a_lone_proposal_is_compared_with_the_cycle_before():
    found = conduct((), {1: (said({"epochs": 20}),), 2: (said({"epochs": 30}),)}, SPACE, BASELINE)
    assert [each.cosine for each in found] == [None, pytest.approx(1)]


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), max_size=6), st.integers(0, 6))
def test_the_mean_cosine_is_that_over_all_pairs(vectors, first):
    ways = [
        {("x", str(i)): value / math.hypot(*vector) for i, value in enumerate(vector)}
        for vector in vectors
        if math.hypot(*vector) > 1e-3
    ]
    own, before = ways[:first], ways[first:]
    pairs = [(a, b) for i, a in enumerate(own) for b in (*own[:i], *own[i + 1 :], *before)]
    found = cosine(own, before)
    if not pairs:
        assert found is None
    else:
        mean = math.fsum(a[axis] * b[axis] for a, b in pairs for axis in a) / len(pairs)
        assert found == pytest.approx(mean, abs=1e-9)


def test_a_repeat_was_tried_in_an_earlier_cycle_or_proposed_before():
    tried = outcome(0, said({"epochs": 20}).spec, 0.8, cycle=1)
    again, new = said({"epochs": 20}), said({"epochs": 30})
    cycles = {2: (again, new), 3: (new, said({"epochs": 10}), said({"epochs": 10}))}
    assert [each.repeats for each in conduct((tried,), cycles, SPACE, BASELINE)] == [1, 2]


def test_controls_are_not_the_board_s():
    draw = said({"epochs": 20}, proposer="control")
    assert only(draw, draw, said({"epochs": 10})).proposed == 1
    assert conduct((), {1: (draw, draw)}, SPACE, BASELINE) == ()


def test_a_proposal_changes_its_own_parent():
    longer = outcome(0, BASELINE.changed({"epochs": 30}), 0.9)
    shortened = said({"epochs": 20}, parent=longer)
    assert only(shortened, said({"epochs": 20}), outcomes=(longer,)).cosine == pytest.approx(-1)
    assert only(said({"epochs": 20}, parent=longer)).directions == ()  # its parent is not known


@pytest.mark.parametrize(
    ("proposed", "repeats", "cosine", "collapsed"),
    [
        (10, 7, 0.0, False),  # exactly 0.7 is not over it
        (10, 8, 0.0, True),
        (10, 0, 0.95, True),
        (10, 0, 0.949, False),
        (10, 0, None, False),
    ],
)
def test_a_cycle_collapses(proposed, repeats, cosine, collapsed):
    assert Conduct(1, proposed, repeats, (), cosine).is_collapsed is collapsed


def history(flags: str, start: int = 1) -> tuple[Conduct, ...]:
    """One cycle per sign: x collapsed, o sound, - without proposals."""
    return tuple(
        Conduct(start + i, 9, 9 if flag == "x" else 0, (), None)
        for i, flag in enumerate(flags)
        if flag != "-"
    )


def forced(flags: str) -> list[int]:
    """The cycles up to the twentieth that are forced to explore."""
    return [cycle for cycle in range(1, 21) if forced_by(history(flags), cycle)]


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("xxxo" + "o" * 16, []),
        ("xxoxo" + "o" * 15, []),  # three of five
        ("xxxx" + "o" * 16, [5, 6, 7, 8, 9]),
        ("xxoxx" + "o" * 15, [6, 7, 8, 9, 10]),
        ("xxoooxx" + "o" * 13, []),
        ("x-xx-x" + "o" * 14, [7, 8, 9, 10, 11]),  # of the cycles that proposed anything
        ("xxxxoooooxxxx" + "o" * 7, [5, 6, 7, 8, 9, 14, 15, 16, 17, 18]),
        ("x" * 20, list(range(5, 21))),  # a board that goes on collapsing goes on being forced
    ],
)
def test_five_cycles_explore_after_a_collapse(flags, expected):
    assert forced(flags) == expected


def test_the_cycles_of_one_collapse_never_count_for_another():
    # Without counting anew, cycles 2, 3, 4 and 6 would make four of five again.
    assert forced("xxxx" + "ox" + "o" * 14) == [5, 6, 7, 8, 9]
    assert [each.cycle for each in forced_by(history("xxxxoooo"), 7)] == [1, 2, 3, 4]


def test_a_cycle_taken_up_again_does_not_see_itself():
    assert forced_by(history("xxxx"), 4) == ()


@given(st.text("xo", min_size=1, max_size=60))
def test_sound_cycles_free_the_board_within_five(flags):
    last = len(flags)
    assert not forced_by(history(flags + "ooooo"), last + 6)
    assert not forced_by(history(flags), last + 6)
