"""Whose places a cycle's slots are: left from before, the control's, the board's."""

import time

import pytest

from arc_core.agents.briefs import RecallBrief
from arc_core.config import load_config
from tasks import board
from tasks.cycle import open_cycle
from tests.command import TINY
from tests.contracts.records import decision, proposal

HOUR_S = 3600.0


@pytest.fixture
def overrides() -> tuple[str, ...]:
    return ()


@pytest.fixture
def left_over(arc_home, overrides):
    """The second cycle of a study whose only experiment was stopped, and what the historian says."""
    config = load_config([*TINY, *overrides])
    context = open_cycle.fn(config)
    spec = config.spec
    first = proposal(1).model_copy(update={"spec": spec})
    context.memory.keep_decisions(context.cycle, [decision(first.id)], {first.id: first})
    (waiting,) = board.pending(context)
    context.memory.keep_stop(waiting, "not started: no time")
    context.memory.end_cycle(context.cycle.id)
    context = open_cycle.fn(config)
    history = context.board.historian.answer(
        RecallBrief(metric=config.metric, outcomes=(), parent=config.spec)
    )
    return context, history


def slots(context, history, deadline) -> tuple[int, int]:
    """Of the board and of its control."""
    directive = board.direct.fn(context, history, board.left_over(context, deadline))
    return sum(directive.budget.model_dump().values()), int(directive.control)


@pytest.mark.parametrize("left_s", [None, HOUR_S])
def test_what_was_left_takes_its_slot_first(left_over, left_s):
    context, history = left_over
    deadline = None if left_s is None else time.time() + left_s
    assert context.config.board.experiments_per_cycle == 3
    assert slots(context, history, deadline) == (1, 1)


def test_what_could_not_end_in_time_holds_up_no_other(left_over):
    context, history = left_over
    assert slots(context, history, time.time() + 1) == (2, 1)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (("board.experiments_per_cycle=1",), (0, 0)),
        (("board.experiments_per_cycle=2",), (1, 0)),
        (("board.experiments_per_cycle=5",), (3, 1)),
        (("board.control_arm=off",), (2, 0)),
    ],
)
def test_the_control_has_one_slot_of_two_or_more(left_over, expected):
    assert slots(*left_over, None) == expected
