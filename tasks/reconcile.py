"""The dead's runs on the Prefect server, ended before a cycle trains in a pool.

A killed process can't say that it has ended: its run stays Running for ever, and keeps its place in a limited
pool (PrefectHQ/prefect#16746). The store knows who lives: who trains holds a lease there, or waits for one.
Where no cycle begins, the automation of `scripts/automations` does it, by Prefect's own heartbeats.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import get_client
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Crashed

from arc_core.errors import StoreError
from arc_core.experiments.memory import Memory
from tasks.context import Context
from tasks.policy import arc_task

BEGIN = timedelta(seconds=60)  # what a run may take to its place in line, or to its end once it has trained
BEGUN = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
TRAIN = FlowFilter(name=FlowFilterName(any_=["train"]))


@arc_task(name="reconcile")
def reconcile(context: Context) -> tuple[str, ...]:
    """End the pool's runs that nobody carries any more, and free their places. Returns their names.

    Only runs of this store's experiments are touched, and only while this process has the home to itself.
    """
    if context.config.launch.dispatcher != "pool":
        return ()
    with get_client(sync_client=True) as client:
        dead = [run for run in _runs(client, BEGUN) if _is_dead(run, context.memory)]
        for run in dead:
            _end(client, run, Crashed(message="What ran it has died; the experiment is taken up again."))
        ahead = [run for run in _runs(client, [StateType.SCHEDULED]) if _is_ours(run, context.memory)]
        for run in ahead:
            _end(client, run, Cancelled(message="Its cycle is over; the experiment has a run of the next."))
        _free_places(client)
    return tuple(run.name for run in (*dead, *ahead))


def _runs(client: SyncPrefectClient, types: list[StateType]) -> list[FlowRun]:
    chosen = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=types)))
    return client.read_flow_runs(flow_filter=TRAIN, flow_run_filter=chosen)


def _is_dead(run: FlowRun, memory: Memory) -> bool:
    """Whether nobody trains its experiment, or waits to, though somebody did, or has had time to begin."""
    began = run.start_time or (run.state.timestamp if run.state else None)  # it may have waited long before
    if not _is_ours(run, memory) or began is None:
        return False
    experiment = memory.experiment(_experiment_id(run))
    leases = [
        lease
        for lease in memory.leases.of_study(experiment.study_id)
        if lease.request.experiment_id == experiment.id
    ]
    live = {lease.id for lease in memory.leases.live()}
    if any(lease.id in live for lease in leases):
        return False
    had_its_turn = any(lease.asked >= began for lease in leases) and not experiment.outcome.has_ended
    return had_its_turn or datetime.now(UTC) - began > BEGIN


def _is_ours(run: FlowRun, memory: Memory) -> bool:
    """Another home's runs may be on the same server."""
    try:
        memory.experiment(_experiment_id(run))
    except StoreError:
        return False
    return True


def _experiment_id(run: FlowRun) -> str:
    return str(run.parameters.get("experiment_id"))


def _end(client: SyncPrefectClient, run: FlowRun, state: State[Any]) -> None:
    client.set_flow_run_state(run.id, state, force=True)


def _free_places(client: SyncPrefectClient) -> None:
    """Crash what the crashed runs' tasks still claim to do: each holds a place under the limit of its tag."""
    crashed = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.CRASHED])))
    begun = TaskRunFilter(state=TaskRunFilterState(type=TaskRunFilterStateType(any_=BEGUN)))
    for task_run in client.read_task_runs(flow_filter=TRAIN, flow_run_filter=crashed, task_run_filter=begun):
        client.set_task_run_state(task_run.id, Crashed(message="Its flow run has crashed."), force=True)
