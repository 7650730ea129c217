"""Whose places a cycle's slots are, when experiments were left from before."""

import time

import pytest

from arc_core.agents.briefs import RecallBrief
from arc_core.config import load_config
from tasks.board import direct, pending
from tasks.cycle import open_cycle
from tests.command import TINY
from tests.contracts.records import decision, proposal

HOUR_S = 3600.0


@pytest.fixture
def left_over(arc_home):
    """The second cycle of a study whose only experiment was stopped, and what the historian says."""
    config = load_config(TINY)
    context = open_cycle.fn(config)
    spec = config.spec
    first = proposal(1).model_copy(update={"spec": spec})
    context.memory.keep_decisions(context.cycle, [decision(first.id)], {first.id: first})
    (waiting,) = pending(context)
    context.memory.keep_stop(waiting, "not started: no time")
    context.memory.end_cycle(context.cycle.id)
    context = open_cycle.fn(config)
    history = context.board.historian.answer(RecallBrief(metric=config.metric, outcomes=()))
    return context, history


def budget(context, history, deadline) -> int:
    return sum(direct.fn(context, history, deadline).budget.model_dump().values())


@pytest.mark.parametrize("left_s", [None, HOUR_S])
def test_what_was_left_takes_its_slot_first(left_over, left_s):
    context, history = left_over
    deadline = None if left_s is None else time.time() + left_s
    assert budget(context, history, deadline) == context.config.board.experiments_per_cycle - 1


def test_what_could_not_end_in_time_holds_up_no_other(left_over):
    context, history = left_over
    assert budget(context, history, time.time() + 1) == context.config.board.experiments_per_cycle
