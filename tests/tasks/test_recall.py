"""Prefect's own retries on the historian: after a time-out, with growing delays, and after nothing else."""

from dataclasses import replace

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
from prefect.context import FlowRunContext

from arc_core.agents.board import offline_board
from arc_core.config import load_config
from tasks.board import recall
from tasks.context import Context
from tasks.cycle import open_cycle
from tests.command import TINY

DELAY_S = 0.2
RETRIES = 3


class Slow:
    """A historian who raises `error` for the first `times` calls, then thinks as the offline one does."""

    role = "historian"

    def __init__(self, error: Exception, times: int, mind) -> None:
        self.error, self.times, self.mind, self.calls = error, times, mind, 0

    def answer(self, brief):
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return self.mind.answer(brief)


@pytest.fixture
def recalled(arc_home, prefect_server, monkeypatch):
    """Hold the recall with a slow historian: what came of it, and the task run's states."""
    monkeypatch.setenv("ARC_LLM_RETRY_DELAY", str(DELAY_S))
    monkeypatch.setenv("ARC_LLM_MAX_RETRIES", str(RETRIES))

    def run(error: Exception, times: int):
        config = load_config(TINY)
        board = offline_board(config.board)
        slow = Slow(error, times, board.historian)
        monkeypatch.setattr(Context, "board", replace(board, historian=slow))
        seen = {}

        @flow(name="recall alone")
        def alone():
            seen["id"] = FlowRunContext.get().flow_run.id
            return recall(open_cycle(config))

        state = alone(return_state=True)
        return slow, state, task_run_states(prefect_server, seen["id"])

    return run


def task_run_states(api, flow_run_id):
    with SyncPrefectClient(api) as client:
        of_flow = TaskRunFilter(flow_run_id=TaskRunFilterFlowRunId(any_=[flow_run_id]))
        (run,) = [r for r in client.read_task_runs(task_run_filter=of_flow) if r.name.startswith("recall")]
        return client.read_task_run_states(run.id)


def delays(states) -> list[float]:
    """Seconds from each failed attempt to the time at which the next was due."""
    waiting = [state for state in states if state.name == "AwaitingRetry"]
    return [(s.state_details.scheduled_time - s.timestamp).total_seconds() for s in waiting]


def test_two_time_outs_and_then_an_answer(recalled):
    slow, state, states = recalled(TimeoutError("the model is asleep"), times=2)
    assert slow.calls == 3
    assert state.result().total_experiments == 0
    assert states[-1].is_completed()
    first, second = delays(states)
    # Each delay is drawn about its base: jitter keeps many clients from calling at the same moment.
    assert 0.4 * DELAY_S < first < 1.6 * DELAY_S
    assert 0.4 * 2 * DELAY_S < second < 1.6 * 2 * DELAY_S


def test_a_model_that_never_answers_is_given_up(recalled):
    slow, state, states = recalled(TimeoutError("the model is asleep"), times=99)
    assert slow.calls == 1 + RETRIES
    assert state.is_failed()
    assert len(delays(states)) == RETRIES


def test_another_error_is_not_retried(recalled):
    slow, state, states = recalled(ValueError("a mind that is wrong stays wrong"), times=1)
    assert slow.calls == 1
    assert delays(states) == []
    with pytest.raises(ValueError, match="stays wrong"):
        state.result()
