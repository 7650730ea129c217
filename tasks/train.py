"""Training one approved experiment: here, or as a run of the deployment `train/gpu`."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
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
from prefect.futures import PrefectFuture
from prefect.states import Cancelled, Cancelling

from arc_core.clock import unix_s
from arc_core.errors import ArcError
from arc_core.experiments.board import Proposal
from arc_core.experiments.memory import Memory, open_memory
from arc_core.experiments.study import Experiment
from arc_core.logs import about
from arc_core.report.summary import printable
from arc_core.settings import get_settings
from arc_core.training.child import start_cold
from arc_core.training.job import run_experiment
from arc_core.training.launch import LaunchConfig
from arc_core.training.process import Event
from arc_core.training.warm import warm_start
from tasks import early
from tasks.context import Context
from tasks.policy import arc_task
from tasks.shown import Shown

log = logging.getLogger(__name__)
_stop = threading.Event()
LATE_S = 60.0  # what a pool's training may take beyond the deadline: its own end, and the worker's poll
STORE_POLL_S = 0.5  # one indexed read; half of it is added to each experiment
SERVER_POLL_S = 15.0  # how late a run that died is noticed; many that ask often keep a small server busy
ATTEMPTS = 3  # runs of one experiment in one cycle, when its workers die
NAME_CHARACTERS = 100
END_S = 15.0  # what a run may take to end once its experiment has


def train(context: Context, experiment_id: str, deadline: float | None) -> PrefectFuture[Experiment]:
    """Start one experiment where the launch config says; the future holds it with its outcome."""
    if context.config.launch.dispatcher == "pool":
        return train_in_pool.submit(context, experiment_id, deadline)
    named = train_here.with_options(task_run_name=partial(name_of, experiment_id, context.memory))
    return named.submit(experiment_id, context.config.launch, deadline)


def warm_up(context: Context) -> None:
    """While the board meets, import what the trainings will need, unless a person may keep them waiting."""
    here = context.config.launch.dispatcher == "local"
    warm = warm_start(get_settings(), os.getpid() if here else os.getsid(0))
    if warm is not None and not context.asks_before_training:
        warm.prepare()


def begin(context: Context, experiment_id: str, deadline: float | None) -> None:
    """Have it trained in its turn, with nobody waiting: the cycle that it belongs to will `train` it."""
    launch = context.config.launch
    if launch.dispatcher == "pool":
        experiment = context.memory.experiment(experiment_id)
        if living_run(experiment_id) is None:
            _started(experiment, context.memory, launch, deadline)
    else:
        # All that this cycle has yet to begin comes first.
        behind = launch.model_copy(update={"priority": launch.priority - 1})
        early.begin(experiment_id, lambda heard: _trained(experiment_id, behind, deadline, None, heard))


def call_off(context: Context) -> None:
    """Nobody will take over what was begun for this cycle: it stops, and a later loop goes on from there."""
    if context.config.launch.dispatcher == "pool":
        for experiment in context.memory.agenda(context.cycle):
            if (run := living_run(experiment.id)) is not None:
                _end(run)
    else:
        _stop.set()
        early.all_ended()


@arc_task(name="train", task_run_name="train {experiment_id}")
def train_here(
    experiment_id: str, launch: LaunchConfig, deadline: float | None, owner: int | None = None
) -> Experiment:
    """Train and measure it in a process of this machine, forked warm where that can be.

    With the process `owner` ends what forks it; None: with this one.
    """
    memory = open_memory(get_settings().store_url)
    with about(experiment_id=experiment_id), Shown(memory, experiment_id) as shown:
        begun = early.taken_over(experiment_id)
        if begun is not None:
            begun.listen(shown.on_event)
            if (experiment := begun.future.result()).outcome.has_ended:
                return experiment
        return _trained(experiment_id, launch, deadline, owner, shown.on_event)


def _trained(
    experiment_id: str,
    launch: LaunchConfig,
    deadline: float | None,
    owner: int | None,
    on_event: Callable[[Event], None],
) -> Experiment:
    settings = get_settings()
    log.info("%s waits for its turn", experiment_id)
    experiment = run_experiment(
        open_memory(settings.store_url),
        experiment_id,
        settings=settings,
        launch=launch,
        on_event=on_event,
        deadline=deadline,
        stop=_stop,
        start=warm_start(settings, owner or os.getpid()) or start_cold,
    )
    log.info("%s %s %s", experiment_id, experiment.outcome.status, experiment.outcome.reason)
    return experiment


@contextmanager
def trainings_end_with_it() -> Iterator[None]:
    """A failure or a stop ends what this process trains; finished folds are kept for a later cycle."""
    _stop.clear()
    try:
        yield
    except BaseException:
        _stop.set()
        early.all_ended()
        raise


@arc_task(name="dispatch", task_run_name="dispatch {experiment_id}")
def train_in_pool(context: Context, experiment_id: str, deadline: float | None) -> Experiment:
    """Have a worker of the pool `arc-gpu` train it, unless it has ended already."""
    memory = context.memory
    experiment = memory.experiment(experiment_id)
    for _ in range(ATTEMPTS):
        if experiment.outcome.has_ended:
            return experiment
        begun = living_run(experiment_id) or _started(experiment, memory, context.config.launch, deadline)
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


def living_run(experiment_id: str) -> FlowRun | None:
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


def name_of(experiment_id: str, memory: Memory) -> str:
    """What the Prefect UI calls its run: the id, and what is hoped for."""
    experiment = memory.experiment(experiment_id)
    hypothesis = printable(memory.said_of([experiment.id], Proposal)[experiment.id].hypothesis)
    return f"#{experiment.number} {experiment.id}: {shorten(hypothesis, NAME_CHARACTERS)}"


def _started(experiment: Experiment, memory: Memory, launch: LaunchConfig, deadline: float | None) -> FlowRun:
    """The flow run of `train/gpu`, waiting for its worker."""
    try:
        run = run_deployment(
            "train/gpu",
            parameters={"experiment_id": experiment.id, "launch": launch.model_dump(), "deadline": deadline},
            flow_run_name=name_of(experiment.id, memory),
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
