"""Training a finished experiment once more, as it was recorded, in a folder of its own."""

import threading
from collections.abc import Callable
from pathlib import Path

from arc_core.data.study import dataset_of
from arc_core.errors import ArcError, StoreError
from arc_core.experiments.events import event
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import CASES, Result
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment
from arc_core.experiments.verification import seal
from arc_core.gpu.allocation import Policy
from arc_core.settings import Settings
from arc_core.training.child import Start, start_cold
from arc_core.training.evaluator import evaluate
from arc_core.training.launch import LaunchConfig
from arc_core.training.placement import request_of
from arc_core.training.plan import PLAN, TrainingPlan
from arc_core.training.process import Event, run_worker
from arc_core.training.reproduction import Reproduction, compared, setting_of
from arc_core.training.turn import turn_of


def reproduce(
    memory: Memory,
    experiment_id: str,
    folder: Path,
    *,
    settings: Settings,
    tolerance: float,
    on_event: Callable[[Event], None],
    start: Start = start_cold,
) -> Reproduction:
    """Train it again in `folder`, measure it, and tell the ledger how that differs from the record.

    It waits for its turn like any training. StoreError when there is no result to reproduce, ArcError when
    the record it starts from is not what was recorded.
    """
    experiment, result = memory.experiment(experiment_id), memory.result(experiment_id)
    if result is None:
        raise StoreError(
            f"it has no result: it is {experiment.outcome.status}",
            where=experiment_id,
            cure="Choose a finished experiment; the report lists them.",
        )
    runs = Runs.of(settings)
    plan = _recorded_plan(memory, runs, experiment, result)
    launch = LaunchConfig(devices=plan.training.devices)
    request = request_of(plan.spec, None, settings, launch)
    stop = threading.Event()
    with turn_of(
        request, memory.leases, Policy.of(settings), may_train=lambda: True, over=lambda: False, stop=stop
    ) as turn:
        assert turn is not None  # nobody else can have trained this one

        def heard(event: Event) -> None:
            turn.on_event(event)
            on_event(event)

        gpu_ids = turn.lease.gpu_ids
        system = plan.system.model_copy(
            update={"gpu_ids": gpu_ids, "num_gpus": len(gpu_ids), "device": "cuda" if gpu_ids else "cpu"}
        )
        plan = plan.model_copy(update={"run_dir": str(folder), "system": system})
        again, _ = evaluate(run_worker(plan, on_event=heard, stop=turn.stop, start=start))
    started = [entry.event for entry in memory.ledger.entries(kind="run.started", subject=experiment_id)]
    found = compared(
        experiment_id,
        result,
        runs.folder_of(experiment_id),
        again,
        folder,
        setting=setting_of(started[-1] if started else None),
        tolerance=tolerance,
    )
    told = found.model_dump(mode="json", exclude={"experiment_id", "cases"}) | {"cases": len(found.cases)}
    memory.ledger.append(event("reproduction.done", experiment_id, outputs=again.files, facts=told))
    seal(memory.ledger, settings)
    return found


def _recorded_plan(memory: Memory, runs: Runs, experiment: Experiment, result: Result) -> TrainingPlan:
    """What was carried out, with the images where they lie now."""
    needed = {name: result.files[name] for name in (PLAN, CASES)}
    for name, why in runs.fetch(experiment.id, needed).items():
        raise ArcError(f"{runs.path(experiment.id, name)} {why}; restore it from a backup")
    plan = TrainingPlan.model_validate_json(runs.path(experiment.id, PLAN).read_bytes())
    return plan.model_copy(update={"dataset": dataset_of(memory.study(experiment.study_id))})
