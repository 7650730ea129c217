"""Training one approved experiment: here, or as a run of the deployment `train/gpu`."""

import threading
from functools import cache
from typing import cast

from prefect.client.schemas.objects import FlowRun
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.futures import PrefectFuture

from arc_core.errors import ArcError
from arc_core.experiments.memory import open_memory
from arc_core.experiments.study import Experiment
from arc_core.settings import get_settings
from arc_core.training.job import run_experiment
from arc_core.training.plan import LaunchConfig
from tasks.context import Context
from tasks.policy import arc_task
from tasks.progress import Progress

_stop = threading.Event()
POOL_POLL_S = 2.0  # a poll costs the server one light request; half of it is added to each experiment


def train(context: Context, experiment_id: str, deadline: float | None) -> PrefectFuture[Experiment]:
    """Start one experiment where the launch config says; the future holds it with its outcome."""
    if context.config.launch.dispatcher == "pool":
        return train_in_pool.submit(context, experiment_id, deadline)
    return train_here.submit(experiment_id, context.config.launch, deadline)


@arc_task(name="train", task_run_name="train {experiment_id}")
def train_here(experiment_id: str, launch: LaunchConfig, deadline: float | None) -> Experiment:
    """Train and measure it in a child process of this machine."""
    settings = get_settings()
    with _slots(), Progress(experiment_id) as progress:
        return run_experiment(
            open_memory(settings.store_url),
            experiment_id,
            settings=settings,
            launch=launch,
            on_event=progress.on_event,
            deadline=deadline,
            stop=_stop,
        )


def stop_training() -> None:
    """End what this process trains; its finished folds are kept, and a later cycle goes on from them."""
    _stop.set()


@arc_task(name="dispatch", task_run_name="dispatch {experiment_id}")
def train_in_pool(context: Context, experiment_id: str, deadline: float | None) -> Experiment:
    """Have a worker of the pool `arc-gpu` train it, unless it has ended already."""
    experiment = _found(context, experiment_id)
    if experiment.outcome.status in ("finished", "failed"):
        return experiment
    run = _run_in_pool(experiment, context.config.launch, deadline)
    experiment = _found(context, experiment_id)
    if experiment.outcome.status not in ("finished", "failed", "stopped"):
        state = run.state.type.value.lower() if run.state else "unknown"
        raise ArcError(
            f"the train run of {experiment_id} ended as {state} without an outcome; retry the cycle, "
            "and look at the run's log in the Prefect UI"
        )
    return experiment


def _run_in_pool(experiment: Experiment, launch: LaunchConfig, deadline: float | None) -> FlowRun:
    """The ended flow run of `train/gpu`."""
    try:
        run = run_deployment(
            "train/gpu",
            parameters={"experiment_id": experiment.id, "launch": launch.model_dump(), "deadline": deadline},
            flow_run_name=f"#{experiment.number} {experiment.id}",
            poll_interval=POOL_POLL_S,
        )
    except ObjectNotFound:
        raise ArcError(
            "launch=pool needs the deployment train/gpu, and this Prefect server has none. "
            "Run `make deploy` with PREFECT_API_URL set to the server, or use launch=local."
        ) from None
    return cast(FlowRun, run)  # a coroutine in async code only


def _found(context: Context, experiment_id: str) -> Experiment:
    experiment = context.memory.experiment(experiment_id)
    assert experiment is not None
    return experiment


@cache
def _slots() -> threading.BoundedSemaphore:
    """How many experiments this process trains at once."""
    return threading.BoundedSemaphore(get_settings().max_concurrent_jobs)
