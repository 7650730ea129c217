"""The worker as a real process: its protocol, its resumption, and every way it can end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from arc_core.errors import ExperimentFailed, OutOfTime
from arc_core.training.child import Child
from arc_core.training.fold import is_finished
from arc_core.training.plan import TrainingPlan
from arc_core.training.process import run_worker
from tests.processes import has_ended

PATIENCE_S = 60.0


def copied(plan: TrainingPlan, run_dir: Path) -> TrainingPlan:
    shutil.copytree(plan.run_dir, run_dir)
    return plan.model_copy(update={"run_dir": str(run_dir)})


def held_out_files(plan: TrainingPlan, fold: int) -> dict[str, bytes]:
    folder = plan.fold_dir(fold)
    found = [folder / "predictions.csv", *sorted((folder / "masks").iterdir()), folder / "model.pt"]
    return {path.name: path.read_bytes() for path in found}


def test_a_training_tells_its_course(trained):
    plan, events = trained

    assert events[0]["event"] == "started"
    assert events[-1]["event"] == "finished"
    epochs = [event for event in events if event["event"] == "epoch"]
    assert [(event["fold"], event["epoch"]) for event in epochs] == [
        (f, e) for f in (0, 1) for e in (1, 2, 3)
    ]
    assert all(event["epochs"] == 3 for event in epochs)
    assert epochs[2]["held_out_loss"] > 0
    assert not (Path(plan.run_dir) / "worker.log").read_text(), "the log is kept for what goes wrong"


def test_a_resumed_training_keeps_finished_folds_and_repeats_the_rest_bit_by_bit(trained, tmp_path):
    plan, _ = trained
    resumed = copied(plan, tmp_path / "exp-1")
    (resumed.fold_dir(1) / "done.json").unlink()
    (resumed.fold_dir(1) / "model.pt").write_bytes(b"half a file")
    sealed = (resumed.fold_dir(0) / "done.json").stat().st_mtime_ns
    events: list[dict] = []

    run_worker(resumed, on_event=events.append)

    assert {event["fold"] for event in events if event["event"] == "epoch"} == {1}
    assert (resumed.fold_dir(0) / "done.json").stat().st_mtime_ns == sealed
    assert held_out_files(resumed, 1) == held_out_files(plan, 1)


def test_a_fold_of_another_spec_is_not_reused(trained, planner, tmp_path):
    plan, _ = trained
    other = planner(Path(plan.run_dir), optimiser__lr=2e-3)

    assert is_finished(plan, 0)
    assert not is_finished(other, 0)


def test_a_changed_photograph_fails_the_training_with_its_name(planner, photographs, tmp_path, start):
    root = tmp_path / "data"
    shutil.copytree(photographs, root)
    plan = planner(tmp_path / "exp-1")
    plan = plan.model_copy(update={"dataset": plan.dataset.model_copy(update={"root": str(root)})})
    changed = root / plan.dataset.cases[3].image
    changed.write_bytes((root / plan.dataset.cases[4].image).read_bytes())
    events: list[dict] = []

    with pytest.raises(ExperimentFailed, match=rf"{changed.name} has changed"):
        run_worker(plan, on_event=events.append, start=start)

    assert events[-1]["event"] == "failed"


def test_a_killed_worker_is_reported_as_killed(planner, tmp_path, start):
    def kill(event: dict) -> None:
        psutil.Process(event["pid"]).kill()

    with pytest.raises(ExperimentFailed, match="killed by signal 9"):
        run_worker(planner(tmp_path), on_event=kill, start=start)


def test_an_unreadable_plan_shows_the_end_of_the_log(planner, tmp_path, start):
    plan = planner(tmp_path)
    broken = plan.model_copy(update={"spec": plan.spec.model_copy(update={"epochs": -1})})

    with pytest.raises(ExperimentFailed, match=r"exit code 1(.|\n)*epochs"):
        run_worker(broken, on_event=lambda event: None, start=start)


@pytest.mark.parametrize("limit", ["deadline", "job time-out", "stop"])
def test_a_worker_does_not_outlive_its_time(planner, tmp_path, limit, start):
    stop, pids = threading.Event(), []
    plan = planner(tmp_path, epochs=200)
    if limit == "job time-out":
        plan = plan.model_copy(update={"system": plan.system.model_copy(update={"job_timeout_s": 2})})

    def remember(event: dict) -> None:
        if event["event"] == "started":
            pids.append(event["pid"])
        if limit == "stop":
            stop.set()

    deadline = time.time() + 2 if limit == "deadline" else None
    ends = pytest.raises(ExperimentFailed, match="job_timeout_s, 2 s")
    with ends if limit == "job time-out" else pytest.raises(OutOfTime):
        run_worker(plan, on_event=remember, deadline=deadline, stop=stop, start=start)

    assert not pids or has_ended(pids[0])


def test_an_interrupted_caller_takes_its_worker_along(planner, tmp_path, start):
    pids = []

    def interrupt(event: dict) -> None:
        pids.append(event["pid"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_worker(planner(tmp_path), on_event=interrupt, start=start)

    assert has_ended(pids[0])


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.05, 0.1, 0.3, 1.0])
def test_an_interrupt_at_any_moment_is_a_stop(planner, tmp_path, start, after_s):
    """In a worker that is still importing it would be a failure like any other."""

    def interrupted(*how) -> Child:
        child = start(*how)
        time.sleep(after_s)
        os.kill(child.pid, signal.SIGINT)
        return child

    with pytest.raises(OutOfTime, match="stopped from outside by signal 2"):
        run_worker(planner(tmp_path, epochs=200), on_event=lambda event: None, start=interrupted)


class Littering(TrainingPlan):
    """Its worker finishes at once, and leaves a child behind."""

    def arguments(self) -> list[str]:
        child = "[sys.executable, '-c', 'import time; time.sleep(600)']"
        program = (
            "import json, subprocess, sys\n"
            f"child = subprocess.Popen({child}, stdout=subprocess.DEVNULL)\n"
            "print(json.dumps({'event': 'finished', 'child': child.pid}), flush=True)\n"
            "import os; os._exit(0)\n"
        )
        return [sys.executable, "-c", program]


def test_what_a_finished_worker_left_running_is_ended(planner, tmp_path):
    events: list[dict] = []

    run_worker(Littering(**dict(planner(tmp_path))), on_event=events.append)

    child = events[-1]["child"]
    give_up = time.monotonic() + PATIENCE_S
    while not has_ended(child) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert has_ended(child)


@pytest.mark.parametrize("warmth", ["cold", "warm"])
def test_a_worker_ends_when_its_parent_is_killed(planner, tmp_path, warm, warmth):
    plan = planner(tmp_path / "run", epochs=200)
    plan_path = tmp_path / "plan.json"
    plan_path.write_text(plan.model_dump_json())
    program = (
        "import json, os, sys\n"
        "from pathlib import Path\n"
        "from arc_core.training.child import start_cold\n"
        "from arc_core.training.plan import TrainingPlan\n"
        "from arc_core.training.process import run_worker\n"
        "from arc_core.training.warm import WarmStart\n"
        "plan = TrainingPlan.model_validate_json(open(sys.argv[1]).read())\n"
        "start = WarmStart(Path(sys.argv[3]), os.getpid()) if sys.argv[2] == 'warm' else start_cold\n"
        "run_worker(plan, on_event=lambda event: print(json.dumps(event), flush=True), start=start)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(plan_path), warmth, str(warm.home)],
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        started = json.loads(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)

    give_up = time.monotonic() + PATIENCE_S
    while not has_ended(started["pid"]) and time.monotonic() < give_up:
        time.sleep(0.1)
    assert has_ended(started["pid"])
