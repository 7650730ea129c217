"""One approved experiment, from its place in line to its recorded outcome."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable

from arc_core.data.study import dataset_of, split_of
from arc_core.errors import ExperimentFailed, NoRoom, OutOfTime, SpecError
from arc_core.experiments.holder import Claim, Holder
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.memory import Memory
from arc_core.experiments.rows import OnGpus
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Experiment, Study
from arc_core.gpu.allocation import choose_gpu
from arc_core.gpu.inventory import read_inventory
from arc_core.settings import Settings
from arc_core.training.child import Start, start_cold
from arc_core.training.cost import memory_mib
from arc_core.training.evaluator import evaluate
from arc_core.training.launch import LaunchConfig
from arc_core.training.pace import Pace, Past, measured_pace
from arc_core.training.plan import TrainingPlan, compile_plan, largest_divisor
from arc_core.training.process import Event, run_worker
from arc_core.training.vcdr import load_regression

TURN_POLL_S = 1.0
WAIT_FOR_ROOM_S = 3600.0  # then the experiment is left for a later cycle, and this one goes on


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
) -> Experiment:
    """Train and measure the experiment unless it has ended already; its outcome is in the store.

    `deadline` is Unix time: an experiment that is not expected to end by then is not started, one
    that does not end by then is stopped, and both are left for a later cycle. A training that fails,
    by its own fault or the machine's, is an outcome; what is raised is a fault of ARC.
    """
    experiment = memory.experiment(experiment_id)
    study = memory.study(experiment.study_id)
    spec = experiment.outcome.spec
    claim = _claim(memory, experiment, settings, deadline, stop or threading.Event())
    if claim is None:
        return memory.experiment(experiment_id)
    try:
        if deadline is not None:
            past = past_results(memory, study)
            _need_time(pace_of(past, spec, claim.gpu_index, settings, launch), spec, study, deadline)
        plan = plan_of(spec, study, experiment_id, settings, launch, claim.gpu_index)
        threading.Thread(target=load_regression, daemon=True).start()
        run_worker(plan, on_event=on_event, deadline=deadline, stop=stop, start=start)
        result, _ = evaluate(plan)
        memory.keep_result(experiment_id, result)
    except (ExperimentFailed, SpecError) as error:
        memory.keep_failure(experiment_id, str(error))
    except OutOfTime as reason:
        memory.keep_stop(experiment_id, str(reason))
    except BaseException as error:
        memory.keep_stop(experiment_id, f"interrupted by {type(error).__name__}: {error}")
        raise
    return memory.experiment(experiment_id)


def _claim(
    memory: Memory, experiment: Experiment, settings: Settings, deadline: float | None, stop: threading.Event
) -> Claim | None:
    """Wait for its turn; None: it has ended, or the time was over before it came.

    It waits where another process trains it, since this flow was retried, and where no GPU has room.
    """
    spec, until = experiment.outcome.spec, time.time() + WAIT_FOR_ROOM_S

    def choose(running: OnGpus) -> int | None:
        return pick_gpu(spec, settings, running)

    while True:
        over = stop.is_set() or (deadline is not None and time.time() >= deadline)
        try:
            claim = memory.claim(experiment.id, Holder.this_process(), choose)
        except NoRoom as error:
            if over or time.time() >= until:
                memory.keep_stop(experiment.id, f"not started: {error}")
                return None
        else:
            if claim or over or memory.experiment(experiment.id).outcome.has_ended:
                return claim
        time.sleep(TURN_POLL_S)


def plan_of(
    spec: ExperimentSpec,
    study: Study,
    experiment_id: str,
    settings: Settings,
    launch: LaunchConfig,
    gpu_index: int | None,
    forbidden: tuple[ForbiddenRange, ...] = (),
) -> TrainingPlan:
    """The spec compiled for one device. SpecError when it can't be.

    What was approved runs: a range is held against what is proposed, not against what waits for its turn.
    """
    return compile_plan(
        spec,
        experiment_id=experiment_id,
        study_id=study.id,
        dataset=dataset_of(study),
        split=split_of(study),
        run_dir=settings.runs / experiment_id,
        launch=launch,
        batch_size_per_gpu=settings.batch_size_per_gpu,
        gpu_ids=() if gpu_index is None else (gpu_index,),
        forbidden=forbidden,
    )


def pick_gpu(spec: ExperimentSpec, settings: Settings, running: OnGpus, *, wait: bool = True) -> int | None:
    """The GPU to take beside what is running; None: this machine trains on its CPU.

    NoRoom when it has to wait. Without `wait`, for estimates: the GPU it would wait for.
    """
    inventory = read_inventory()
    if not inventory:
        return None
    promised: dict[int, list[float]] = defaultdict(list)
    for index, other in running:
        promised[index].append(_gpu_memory_mib(other, settings))
    needed = _gpu_memory_mib(spec, settings)
    try:
        return choose_gpu(inventory, settings.training_gpus, promised, needed)
    except NoRoom:
        if wait:
            raise
    emptied = [gpu.model_copy(update={"memory_used_mib": 0.0}) for gpu in inventory]
    return choose_gpu(emptied, settings.training_gpus, {}, needed)


def _gpu_memory_mib(spec: ExperimentSpec, settings: Settings) -> float:
    micro_batch = largest_divisor(spec.batch_size, settings.batch_size_per_gpu)
    return memory_mib(spec, micro_batch=micro_batch, device="cuda")


def past_results(memory: Memory, study: Study) -> Past:
    """Spec and figures of every finished experiment of the study."""
    outcomes = memory.outcomes(study.id)
    return [(outcome.spec, outcome.result) for outcome in outcomes if outcome.result is not None]


def pace_of(
    past: Past, spec: ExperimentSpec, gpu_index: int | None, settings: Settings, launch: LaunchConfig
) -> Pace:
    """How fast this kind of experiment runs here, from what has run."""
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
