"""Training one approved experiment: in a process of this machine, or in a pool."""

import logging
import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue

from prefect.futures import PrefectFuture

from arc_core.experiments.memory import open_memory
from arc_core.experiments.study import Experiment
from arc_core.gate.verdict import GateConfig
from arc_core.logs import about
from arc_core.settings import get_settings
from arc_core.training.child import start_cold
from arc_core.training.job import run_experiment
from arc_core.training.launch import LaunchConfig
from arc_core.training.process import Event
from arc_core.training.warm import warm_start
from tasks import early
from tasks.context import Context
from tasks.policy import arc_task
from tasks.pool import begin_in_pool, call_off_in_pool, have_runs, name_of, train_in_pool
from tasks.shown import Shown

log = logging.getLogger(__name__)
_stop = threading.Event()


def train(context: Context, experiment_id: str, deadline: float | None) -> PrefectFuture[Experiment]:
    """Start one experiment where the launch config says; the future holds it with its outcome."""
    if context.config.launch.dispatcher == "pool":
        return train_in_pool.submit(context, experiment_id, deadline)
    named = train_here.with_options(task_run_name=partial(name_of, experiment_id, context.memory))
    return named.submit(experiment_id, context.config.launch, deadline, gate=context.config.gate)


class Going:
    """A cycle's trainings that have begun and not ended. Each is begun once in a cycle, however it ends."""

    def __init__(self, context: Context, deadline: float | None) -> None:
        self._context, self._deadline = context, deadline
        self._begun: dict[str, PrefectFuture[Experiment]] = {}
        self._over: SimpleQueue[str] = SimpleQueue()
        self.ids: set[str] = set()

    @property
    def begun(self) -> tuple[str, ...]:
        """All of the cycle, in the order in which they were begun."""
        return tuple(self._begun)

    def begin(self, experiment_ids: Iterable[str]) -> None:
        """Start those that have not been; none is waited for."""
        for each in experiment_ids:
            if each not in self._begun:
                self._start(each)

    def _start(self, experiment_id: str) -> None:
        future = train(self._context, experiment_id, self._deadline)
        self._begun[experiment_id] = future
        self.ids.add(experiment_id)
        future.add_done_callback(lambda _: self._over.put(experiment_id))

    def wait(self) -> None:
        """Until one more is over. Raises what its task raised."""
        ended = self._over.get()
        self.ids.remove(ended)
        self._begun[ended].result()


def warm_up(context: Context) -> None:
    """While the board meets, import what the trainings will need, unless a person may keep them waiting."""
    here = context.config.launch.dispatcher == "local"
    warm = warm_start(get_settings(), os.getpid() if here else os.getsid(0))
    if warm is not None and not context.asks_before_training:
        warm.prepare()


def begin(context: Context, experiment_id: str, deadline: float | None, *, is_last: bool) -> None:
    """Have it trained in its turn, with nobody waiting: the cycle that it belongs to will `train` it.

    `is_last`: behind all that this cycle has yet to begin, where the line is this machine's.
    """
    launch = context.config.launch
    if launch.dispatcher == "pool":
        begin_in_pool(context, experiment_id, deadline)
    else:
        launch = launch.model_copy(update={"priority": launch.priority - is_last})
        gate = context.config.gate
        early.begin(experiment_id, lambda heard: _trained(experiment_id, launch, deadline, None, gate, heard))


def are_in_line(context: Context, experiment_ids: Collection[str]) -> bool:
    """Whether what begins from now on comes behind them."""
    if context.config.launch.dispatcher == "pool":
        return have_runs(experiment_ids)
    asked = {lease.request.experiment_id for lease in context.memory.leases.live()}
    return asked.issuperset(experiment_ids)


def call_off(context: Context) -> None:
    """What was begun for this cycle stops, and whoever takes it over goes on from there."""
    if context.config.launch.dispatcher == "pool":
        call_off_in_pool(context)
    else:
        _stop.set()
        early.all_ended()
        _stop.clear()


@arc_task(name="train", task_run_name="train {experiment_id}")
def train_here(
    experiment_id: str,
    launch: LaunchConfig,
    deadline: float | None,
    owner: int | None = None,
    gate: GateConfig | None = None,
) -> Experiment:
    """Train and measure it in a process of this machine, forked warm where that can be.

    `gate` may stop it early. With the process `owner` ends what forks it; None: with this one.
    """
    memory = open_memory(get_settings().store_url)
    with about(experiment_id=experiment_id), Shown(memory, experiment_id) as shown:
        begun = early.taken_over(experiment_id)
        if begun is not None:
            begun.listen(shown.on_event)
            if (experiment := begun.future.result()).outcome.has_ended:
                return experiment
        return _trained(experiment_id, launch, deadline, owner, gate, shown.on_event)


def _trained(
    experiment_id: str,
    launch: LaunchConfig,
    deadline: float | None,
    owner: int | None,
    gate: GateConfig | None,
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
        gate=gate,
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
