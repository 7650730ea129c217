"""One approved experiment, from its place in line to its recorded outcome."""

import threading
import time
from collections.abc import Callable

from arc_core.data.study import dataset_of, split_of
from arc_core.errors import ArcError, ExperimentFailed, OutOfTime, SpecError
from arc_core.experiments.holder import Holder
from arc_core.experiments.memory import Memory
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Experiment, Study
from arc_core.gpu.allocation import choose_gpu
from arc_core.gpu.inventory import read_inventory
from arc_core.settings import Settings
from arc_core.training.cost import memory_mib
from arc_core.training.evaluator import evaluate
from arc_core.training.pace import Pace, measured_pace
from arc_core.training.plan import LaunchConfig, TrainingPlan, compile_plan, largest_divisor
from arc_core.training.process import Event, run_worker

WAIT_FOR_ANOTHER_S = 1.0


def run_experiment(
    memory: Memory,
    experiment_id: str,
    *,
    settings: Settings,
    launch: LaunchConfig,
    on_event: Callable[[Event], None],
    deadline: float | None = None,
    stop: threading.Event | None = None,
) -> Experiment:
    """Train and measure the experiment unless it has ended already; its outcome is in the store.

    `deadline` is Unix time: an experiment that is not expected to end by then is not started, one
    that does not end by then is stopped, and both are left for a later cycle. A training that fails
    is an outcome; what is raised is a fault of ARC or of the machine.
    """
    experiment = _found(memory, experiment_id)
    study = memory.study(experiment.study_id)
    spec = experiment.outcome.spec
    gpu_index = pick_gpu(memory, spec, settings)
    while not memory.claim(experiment_id, Holder.this_process(), gpu_index):
        experiment = _found(memory, experiment_id)
        if experiment.outcome.status in ("finished", "failed"):
            return experiment
        time.sleep(WAIT_FOR_ANOTHER_S)  # another process trains it, since this flow was retried
    try:
        if deadline is not None:
            _need_time(pace_of(memory, study, spec, gpu_index, settings, launch), spec, study, deadline)
        plan = plan_of(spec, study, experiment_id, settings, launch, gpu_index)
        run_worker(plan, on_event=on_event, deadline=deadline, stop=stop)
        result, _ = evaluate(plan)
        memory.keep_result(experiment_id, result)
    except (ExperimentFailed, SpecError) as error:
        memory.keep_failure(experiment_id, str(error))
    except OutOfTime as stop:
        memory.keep_stop(experiment_id, str(stop))
    except BaseException as error:
        memory.keep_stop(experiment_id, f"interrupted by {type(error).__name__}: {error}")
        raise
    return _found(memory, experiment_id)


def plan_of(
    spec: ExperimentSpec,
    study: Study,
    experiment_id: str,
    settings: Settings,
    launch: LaunchConfig,
    gpu_index: int | None,
) -> TrainingPlan:
    """The spec compiled for one device. SpecError when it can't be."""
    return compile_plan(
        spec,
        experiment_id=experiment_id,
        study_id=study.id,
        dataset=dataset_of(study),
        split=split_of(study),
        run_dir=settings.runs / experiment_id,
        launch=launch,
        batch_size_per_gpu=settings.batch_size_per_gpu,
        gpu_index=gpu_index,
    )


def pick_gpu(memory: Memory, spec: ExperimentSpec, settings: Settings) -> int | None:
    """The GPU that would be taken now; None: this machine trains on its CPU."""
    inventory = read_inventory()
    if not inventory:
        return None
    micro_batch = largest_divisor(spec.batch_size, settings.batch_size_per_gpu)
    needed = memory_mib(spec, micro_batch=micro_batch, device="cuda")
    return choose_gpu(inventory, settings.training_gpus, memory.jobs_per_gpu(), needed)


def pace_of(
    memory: Memory,
    study: Study,
    spec: ExperimentSpec,
    gpu_index: int | None,
    settings: Settings,
    launch: LaunchConfig,
) -> Pace:
    """How fast this kind of experiment runs here, from every result in the store."""
    past = [
        (outcome.spec, outcome.result)
        for outcome in (experiment.outcome for experiment in memory.experiments(study.id))
        if outcome.result is not None
    ]
    return measured_pace(
        past,
        spec.architecture.name,
        "cpu" if gpu_index is None else "cuda",
        jobs_at_once=settings.max_concurrent_jobs,
        threads=launch.cpu_threads,
    )


def _need_time(pace: Pace, spec: ExperimentSpec, study: Study, deadline: float) -> None:
    needed, left = pace.seconds(spec, split_of(study)), deadline - time.time()
    if needed > left:
        raise OutOfTime(f"not started: it needs about {needed:.0f} s and {max(left, 0):.0f} s are left")


def _found(memory: Memory, experiment_id: str) -> Experiment:
    experiment = memory.experiment(experiment_id)
    if experiment is None:
        raise ArcError(f"{experiment_id} is not in the store {memory.database}; check ARC_HOME")
    return experiment
