"""A training that is told to stop ends behind its step, with a checkpoint of just that point."""

import sys
from pathlib import Path

import pytest

from arc_core.errors import OutOfTime
from arc_core.training.checkpoint import checkpoint_path, tensors_of
from arc_core.training.child import start_cold
from arc_core.training.launch import LaunchConfig
from arc_core.training.plan import TrainingPlan
from arc_core.training.process import run_worker
from tests.arc_core.training.test_resume import SPEC, results

SELDOM = {"checkpoint_every_s": 86400.0}
"""No other checkpoint than that of the stop."""
LAUNCHES = {
    "one process": LaunchConfig(**SELDOM),
    "ddp": LaunchConfig(**SELDOM, devices=2),
    "deepspeed": LaunchConfig(**SELDOM, devices=2, enable_deepspeed=True),
}
MICRO_BATCHES = {"one process": 6, "ddp": 4, "deepspeed": 4}
"""Of an epoch, in each process."""


PROGRAM = """
import os, sys
from arc_core.training import worker
from arc_core.training.module import FoldModule
left, number, step = int(sys.argv[2]), int(sys.argv[3]), FoldModule.training_step
def stopped(self, *batch):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), number)
    return step(self, *batch)
FoldModule.training_step = stopped
sys.exit(worker.main(sys.argv[1:2]))
"""


def stopped(plan: TrainingPlan, at: int, *, rank: int = 0, number: int = 15) -> None:
    """Train till one of the processes gets a signal amid its `at`-th micro-batch."""

    def start(arguments, environment, stdout, stderr):
        if environment.get("RANK", "0") == str(rank):
            arguments = [sys.executable, "-c", PROGRAM, arguments[-1], str(at), str(number)]
        return start_cold(arguments, environment, stdout, stderr)

    with pytest.raises(OutOfTime, match=f"stopped from outside by signal {number}"):
        run_worker(plan, on_event=lambda event: None, start=start)


@pytest.fixture
def train(warm):
    def go(plan, on_event=lambda event: None):
        run_worker(plan, on_event=on_event, start=warm)

    return go


def epochs_of(events) -> list[tuple[int, int]]:
    return [(event["fold"], event["epoch"]) for event in events if event["event"] == "epoch"]


@pytest.mark.parametrize(
    ("launch", "at", "rank"),
    [
        *(("one process", at, 0) for at in (1, 2, 9, 12, 34)),
        *(("ddp", at, rank) for at, rank in ((2, 0), (6, 1), (8, 1))),
        ("deepspeed", 6, 1),
    ],
)
def test_it_goes_on_from_that_step_and_ends_as_if_nothing_had_been(
    planner, train, tmp_path, launch, at, rank
):
    undisturbed, plan = (
        planner(tmp_path / name, launch=LAUNCHES[launch], **SPEC) for name in ("undisturbed", "stopped")
    )
    train(undisturbed)
    stopped(plan, at, rank=rank)
    checkpoint = checkpoint_path(plan, 0)
    steps = -(-at // 2)  # the one it was in as well: a step has two micro-batches
    if launch != "deepspeed":  # whose checkpoint is a folder
        assert tensors_of(checkpoint)["global_step"] == steps
    events = []

    train(plan, on_event=events.append)

    done = steps * 2 // MICRO_BATCHES[launch]
    assert epochs_of(events)[0] == (0, done + 1)
    assert results(plan) == results(undisturbed)
    assert "can't be read" not in (Path(plan.run_dir) / "worker.log").read_text()


def test_ctrl_c_is_a_stop_as_well(planner, tmp_path):
    plan = planner(tmp_path, launch=LAUNCHES["one process"], **SPEC)
    stopped(plan, 3, number=2)
    assert tensors_of(checkpoint_path(plan, 0))["global_step"] == 2


def test_stopped_again_and_again_it_still_ends_the_same(planner, train, tmp_path):
    undisturbed, plan = (
        planner(tmp_path / name, launch=LAUNCHES["one process"], **SPEC) for name in ("undisturbed", "often")
    )
    train(undisturbed)
    for _ in range(5):
        stopped(plan, 9)
    train(plan)
    assert results(plan) == results(undisturbed)


def test_a_stop_in_its_last_step_lets_the_fold_be_finished(planner, tmp_path):
    plan = planner(tmp_path, launch=LAUNCHES["one process"], **SPEC)
    stopped(plan, 36)
    assert (plan.fold_dir(0) / "done.json").exists()
    assert not checkpoint_path(plan, 0).exists()
