"""Prefect's own retries on the historian: after a time-out, with growing delays, and after nothing else.

A real server keeps the historian's model waiting, and a real Prefect server the task run's states.
"""

import logging

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterFlowRunId
from prefect.context import FlowRunContext

from arc_core.config import load_config
from arc_core.settings import get_settings
from tasks.board import direct
from tasks.cycle import open_cycle
from tasks.recall import digest, is_news, recall, remember
from tests.command import TINY
from tests.llm_server import ModelServer
from tests.meeting import with_models

DELAY_S = 0.2
RETRIES = 3


@pytest.fixture
def recalled(arc_home, prefect_server, monkeypatch):
    """Hold the recall with a server at fault: its requests, what came of it, the ledger, the run's states."""
    server = ModelServer()

    def run(fault: str, times: int = 99):
        server.faults = {"historian": fault}
        server.faulty = times
        config = load_config((*TINY, *with_models(server, monkeypatch, timeout_s=0.6)))
        seen = {}

        @flow(name="recall alone")
        def alone():
            seen["id"] = FlowRunContext.get().flow_run.id
            context = open_cycle(config)
            history = digest(context)
            found = remember(context, history, recall(context, history))
            return found, context.memory.calls.of_cycle(context.cycle.id)

        history, calls = alone()
        return server.asked("historian"), history, calls, task_run_states(prefect_server, seen["id"])

    monkeypatch.setenv("ARC_LLM_RETRY_DELAY", str(DELAY_S))
    monkeypatch.setenv("ARC_LLM_MAX_RETRIES", str(RETRIES))
    yield run
    server.close()


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
    requests, history, calls, states = recalled("after the time-out", times=2)
    assert len(requests) == 3
    assert [call.outcome for call in calls] == ["timeout", "timeout", "answered"]
    assert states[-1].is_completed()
    assert history.total_experiments == 0
    first, second = delays(states)
    # Each delay is drawn about its base: jitter keeps many clients from calling at the same moment.
    assert 0.4 * DELAY_S < first < 1.6 * DELAY_S
    assert 0.4 * 2 * DELAY_S < second < 1.6 * 2 * DELAY_S


def test_a_model_that_never_answers_leaves_the_statistics(recalled):
    requests, history, calls, states = recalled("a byte a second")
    assert len(requests) == 1 + RETRIES
    assert len(delays(states)) == RETRIES
    assert history.lessons == ()
    assert calls[-1].outcome == "offline"
    assert "within 1 s" in calls[-1].reason


@pytest.mark.parametrize("fault", ["500", "not JSON", "connection dropped"])
def test_another_error_is_not_retried(recalled, fault):
    requests, _, calls, states = recalled(fault)
    assert len(requests) == (2 if fault == "not JSON" else 1)  # its one repair is no retry
    assert delays(states) == []
    assert states[-1].is_failed()
    assert calls[-1].outcome == "offline"


def test_the_director_does_not_wait_for_it(arc_home, prefect_server, monkeypatch):
    """Its model is asked and has answered while the historian's is still thinking."""
    server = ModelServer()
    server.faults = {"historian": "after the time-out"}
    overrides = with_models(server, monkeypatch, timeout_s=20)
    monkeypatch.setenv("ARC_ROLES__HISTORIAN__TIMEOUT_S", "3")
    monkeypatch.setenv("ARC_LLM_MAX_RETRIES", "0")
    get_settings.cache_clear()
    config = load_config((*TINY, *overrides))

    @flow(name="recall and direct")
    def both():
        context = open_cycle(config)
        history = digest(context)
        recalled = recall(context, history)
        directive = direct(context, history, 0)
        thinking = not recalled.state.is_final()
        return directive, thinking, remember(context, history, recalled)

    directive, thinking, history = both()
    server.close()
    assert thinking
    assert directive.mind == "director"
    assert history.lessons == ()


def test_no_cycle_is_warned_that_a_thread_is_not_interrupted(recalled, caplog):
    logger = logging.getLogger("prefect.task_runs")
    caplog.set_level(logging.WARNING, logger.name)

    def is_warned() -> bool:
        caplog.clear()
        logger.addHandler(caplog.handler)  # Prefect's records do not reach the root's
        try:
            recalled("500")
        finally:
            logger.removeHandler(caplog.handler)
        return any("worker thread" in record.getMessage() for record in caplog.records)

    assert not is_warned()
    logger.removeFilter(is_news)
    try:
        assert is_warned(), "as Prefect would"
    finally:
        logger.addFilter(is_news)
