"""One approved experiment, from its place in line to its recorded outcome."""

import logging
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from arc_core.clock import unix_s
from arc_core.data.study import dataset_of, split_of
from arc_core.errors import ExperimentFailed, LeaseDenied, LeaseLost, NoRoom, OutOfTime, SpecError
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.memory import Memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Experiment, Study
from arc_core.gate.verdict import GateConfig
from arc_core.gpu.allocation import Policy
from arc_core.settings import Settings
from arc_core.training.child import Start, start_cold
from arc_core.training.evaluator import evaluate
from arc_core.training.handover import Handover, handed_over
from arc_core.training.launch import LaunchConfig
from arc_core.training.pace import Pace, Past, measured_pace
from arc_core.training.placement import request_of
from arc_core.training.plan import TrainingPlan, compile_plan
from arc_core.training.process import Event, WorkerKilled, run_worker
from arc_core.training.race import NO_RACE, Outrun, Race
from arc_core.training.turn import Turn, turn_of
from arc_core.training.vcdr import load_regression

log = logging.getLogger(__name__)

RUNS = 3  # of a training whose worker is killed: whoever did it, or a memory that was full, may be gone


def run_experiment(
    memory: Memory,
    experiment_id: str,
    *,
    settings: Settings,
    launch: LaunchConfig,
    on_event: Callable[[Event], None],
    deadline: float | None = None,
    stop: threading.Event | None = None,
    start: Start = start_cold,
    gate: GateConfig | None = None,
) -> Experiment:
    """Train and measure the experiment unless it has ended already; its outcome is in the store.

    `deadline` is Unix time: an experiment that is not expected to end by then is not started, one
    that does not end by then is stopped, and both are left for a later cycle. A training that fails,
    by its own fault or the machine's, is an outcome; what is raised is a fault of ARC, or StoreError where
    the disk or the shared storage takes no more files: the next training would fail as well. With `gate` it
    is stopped early where its first folds are clearly worse than the champion's.
    """
    experiment = memory.experiment(experiment_id)
    if experiment.outcome.has_ended:
        return experiment
    stop = stop or threading.Event()

    def has_ended() -> bool:
        return memory.experiment(experiment_id).outcome.has_ended

    def over() -> bool:
        return stop.is_set() or (deadline is not None and unix_s() >= deadline)

    try:
        with turn_of(
            request_of(experiment.outcome.spec, experiment_id, settings, launch),
            memory.leases,
            Policy.of(settings),
            may_train=lambda: not has_ended(),
            over=over,
            stop=stop,
        ) as turn:
            if turn is not None and not has_ended():  # it may have been withdrawn while it stood in line
                handover = Handover(Runs.of(settings), experiment_id)
                with handed_over(handover, settings.storage_checkpoint_s, has_ended):
                    race = Race(memory, experiment, handover.runs, gate or NO_RACE)
                    heard = partial(_heard, (turn.on_event, handover.on_event, on_event, race.on_event))
                    _train(memory, experiment, turn, handover, settings, launch, heard, deadline, start)
    except SpecError as error:
        memory.keep_failure(experiment_id, str(error))
    except (NoRoom, LeaseDenied) as reason:
        memory.keep_stop(experiment_id, f"not started: {reason}")
    return memory.experiment(experiment_id)


def _train(
    memory: Memory,
    experiment: Experiment,
    turn: Turn,
    handover: Handover,
    settings: Settings,
    launch: LaunchConfig,
    on_event: Callable[[Event], None],
    deadline: float | None,
    start: Start,
) -> None:
    """Train it under the lease and record what came of it, unless the lease was lost meanwhile."""
    study, spec, lease = memory.study(experiment.study_id), experiment.outcome.spec, turn.lease
    try:
        if deadline is not None:
            past = past_results(memory, study)
            _need_time(pace_of(past, spec, lease.gpu_ids, settings, launch), spec, study, deadline)
        try:
            plan = plan_of(spec, study, experiment.id, settings, launch, lease.gpu_ids)
            handover.take_up()
            threading.Thread(target=load_regression, daemon=True).start()
            plan = _run(plan, on_event=on_event, deadline=deadline, stop=turn.stop, start=start)
            result, _ = evaluate(plan)
            handover.runs.keep(experiment.id, result.files)  # before it is recorded as finished
        except (ExperimentFailed, SpecError) as error:
            memory.keep_failure(experiment.id, str(error), lease.id)
        except Outrun as lost:
            memory.races.keep(experiment.id, lost.race, lease.id)
        else:
            memory.keep_result(experiment.id, result, lease.id)
    except (OutOfTime, LeaseLost) as reason:
        memory.keep_stop(experiment.id, turn.why_stopped(reason), lease.id)
    except BaseException as error:
        memory.keep_stop(experiment.id, f"interrupted by {type(error).__name__}: {error}", lease.id)
        raise


def _heard(listeners: Iterable[Callable[[Event], None]], event: Event) -> None:
    for listener in listeners:
        listener(event)


def _run(plan: TrainingPlan, **how: Any) -> TrainingPlan:
    """`run_worker`, which goes on from the checkpoint where its worker is killed: RUNS times in all."""
    for left in reversed(range(1, RUNS)):
        try:
            return run_worker(plan, **how)
        except WorkerKilled as error:
            log.warning("%s goes on from its checkpoint, %d more times: %s", plan.experiment_id, left, error)
    return run_worker(plan, **how)


def plan_of(
    spec: ExperimentSpec,
    study: Study,
    experiment_id: str,
    settings: Settings,
    launch: LaunchConfig,
    gpu_ids: tuple[int, ...],
    forbidden: tuple[ForbiddenRange, ...] = (),
) -> TrainingPlan:
    """The spec compiled for these GPUs; none: for the CPU. SpecError when it can't be.

    A range is held against what is proposed or checked again, not against what has its turn.
    """
    return compile_plan(
        spec,
        experiment_id=experiment_id,
        study_id=study.id,
        dataset=dataset_of(study),
        split=split_of(study).to_train_on(),
        run_dir=settings.runs / experiment_id,
        launch=launch,
        batch_size_per_gpu=settings.batch_size_per_gpu,
        gpu_ids=gpu_ids,
        forbidden=forbidden,
    )


def past_results(memory: Memory, study: Study) -> Past:
    """Spec and figures of every finished experiment of the study."""
    outcomes = memory.outcomes(study.id)
    return [(outcome.spec, outcome.result) for outcome in outcomes if outcome.result is not None]


def pace_of(
    past: Past, spec: ExperimentSpec, gpu_ids: tuple[int, ...], settings: Settings, launch: LaunchConfig
) -> Pace:
    """How fast this kind of experiment runs here, from what has run."""
    return measured_pace(
        past,
        spec.architecture.name,
        "cuda" if gpu_ids else "cpu",
        jobs_at_once=settings.max_concurrent_jobs,
        threads=launch.cpu_threads,
        devices=len(gpu_ids) or launch.devices,
    )


def _need_time(pace: Pace, spec: ExperimentSpec, study: Study, deadline: float) -> None:
    needed, left = pace.seconds(spec, split_of(study)), deadline - unix_s()
    if needed > left:
        raise OutOfTime(f"not started: it needs about {needed:.0f} s and {max(left, 0):.0f} s are left")
