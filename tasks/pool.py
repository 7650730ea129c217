"""Training one approved experiment in the pool `arc-gpu`: as a flow run of the deployment `train/gpu`."""

import time
from collections.abc import Iterable
from math import inf
from textwrap import shorten
from typing import Any, cast

from prefect import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Cancelling

from arc_core.clock import unix_s
from arc_core.errors import ArcError
from arc_core.experiments.board import Proposal
from arc_core.experiments.memory import Memory
from arc_core.experiments.study import Experiment
from arc_core.report.summary import printable
from tasks.context import Context
from tasks.policy import arc_task

LATE_S = 60.0  # what a training may take beyond the deadline: its own end, and the worker's poll
STORE_POLL_S = 0.5  # one indexed read; half of it is added to each experiment
SERVER_POLL_S = 15.0  # how late a run that died is noticed; many that ask often keep a small server busy
ATTEMPTS = 3  # runs of one experiment in one cycle, when its workers die
NAME_CHARACTERS = 100
END_S = 15.0  # what a run may take to end once its experiment has


@arc_task(name="dispatch", task_run_name="dispatch {experiment_id}")
def train_in_pool(context: Context, experiment_id: str, deadline: float | None) -> Experiment:
    """Have a worker of the pool `arc-gpu` train it, unless it has ended already."""
    memory = context.memory
    experiment = memory.experiment(experiment_id)
    for _ in range(ATTEMPTS):
        if experiment.outcome.has_ended:
            return experiment
        begun = _living_run(experiment_id) or _started(experiment, context, deadline)
        run = _watched(begun, memory, experiment_id, deadline)
        experiment = memory.experiment(experiment_id)
        died = run.state is not None and run.state.is_crashed() and experiment.outcome.status != "stopped"
        if not died:
            break  # else another goes on from the checkpoint
    if experiment.outcome.has_ended:
        return experiment
    if run.state is None or not run.state.is_final():
        _end(run)
        memory.keep_stop(experiment_id, "its run in arc-gpu had not ended in time; is a worker running?")
    elif not run.state.is_completed():
        raise ArcError(
            f"the train run of {experiment_id} ended as {run.state.type.value.lower()}; retry the cycle, "
            "and look at the run's log in the Prefect UI"
        )
    return memory.experiment(experiment_id)


def begin_in_pool(context: Context, experiment_id: str, deadline: float | None) -> None:
    """Lay out its run, unless there is one, and leave it to its worker."""
    memory = context.memory
    if _living_run(experiment_id) is None:
        _started(memory.experiment(experiment_id), context, deadline)


def have_runs(experiment_ids: Iterable[str]) -> bool:
    """Whether each of them has its run, waiting or begun: the pool takes runs in the order they were made."""
    return all(_living_run(each) is not None for each in experiment_ids)


def call_off_in_pool(context: Context) -> None:
    """End the runs of the cycle's experiments, whether they wait for a worker or have one."""
    for experiment in context.memory.agenda(context.cycle):
        if (run := _living_run(experiment.id)) is not None:
            _end(run)


def name_of(experiment_id: str, memory: Memory) -> str:
    """What the Prefect UI calls its run: the id, and what is hoped for."""
    experiment = memory.experiment(experiment_id)
    if experiment.repeat_of is not None:
        return f"{experiment.id}: {experiment.repeat_of} with another seed"
    hypothesis = printable(memory.said_of([experiment.id], Proposal)[experiment.id].hypothesis)
    return f"#{experiment.number} {experiment.id}: {shorten(hypothesis, NAME_CHARACTERS)}"


def _living_run(experiment_id: str) -> FlowRun | None:
    """The experiment's run that waits for a worker or has one, if there is such a run."""
    alive = FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING, StateType.RUNNING])
    chosen = FlowRunFilter(tags=FlowRunFilterTags(all_=[experiment_id]), state=FlowRunFilterState(type=alive))
    with get_client(sync_client=True) as client:
        return next(iter(client.read_flow_runs(flow_run_filter=chosen)), None)


def _end(run: FlowRun) -> None:
    begun = run.state is not None and run.state.is_running()  # then its worker has to end it
    state: State[Any] = Cancelling() if begun else Cancelled()
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run.id, state, force=True)


def _started(experiment: Experiment, context: Context, deadline: float | None) -> FlowRun:
    """The flow run of `train/gpu`, waiting for its worker."""
    config = context.config
    try:
        run = run_deployment(
            "train/gpu",
            parameters={
                "experiment_id": experiment.id,
                "launch": config.launch.model_dump(),
                "deadline": deadline,
                "gate": config.gate.model_dump(),
            },
            flow_run_name=name_of(experiment.id, context.memory),
            tags=[experiment.id],
            timeout=0,
        )
    except ObjectNotFound:
        raise ArcError(
            "launch=pool needs the deployment train/gpu, and this Prefect server has none. "
            "Run `make deploy` with PREFECT_API_URL set to the server, or use launch=local."
        ) from None
    return cast(FlowRun, run)  # a coroutine in async code only


def _watched(run: FlowRun, memory: Memory, experiment_id: str, deadline: float | None) -> FlowRun:
    """The run once it is over, or late: beyond the deadline, or after its experiment has ended.

    The store tells of an outcome; the server is asked for what the store can't know, a run that died.
    """
    over = inf if deadline is None else deadline + LATE_S
    ended = False
    with get_client(sync_client=True) as client:
        while True:
            asked = time.monotonic()
            run = client.read_flow_run(run.id)
            if (run.state is not None and run.state.is_final()) or unix_s() >= over:
                return run
            while not ended and time.monotonic() - asked < SERVER_POLL_S and unix_s() < over:
                time.sleep(STORE_POLL_S)
                if ended := memory.experiment(experiment_id).outcome.has_ended:
                    over = min(over, unix_s() + END_S)
            time.sleep(STORE_POLL_S)
