"""A training killed at any moment goes on from its last checkpoint, and ends as if nothing had been."""

import pickle
from functools import partial
from pathlib import Path

import psutil
import pytest
import torch

from arc_core.errors import ExperimentFailed, OutOfTime
from arc_core.training.checkpoint import checkpoint_path, put_in_place, taken_up, write_tensors
from arc_core.training.launch import LaunchConfig
from arc_core.training.networks import build_network
from arc_core.training.process import run_worker
from tests.processes import has_ended

SPEC = {
    "epochs": 6,
    "architecture__dropout": 0.2,
    "augmentation__noise_sigma": 0.01,
    "optimiser__lr": 5e-3,
    "gradient_clip": 1.0,
    "class_weighting": "balanced",
    "curriculum__pacing": "adaptive",
    "auxiliary__vcdr_weight": 0.2,
    "batch_size_per_gpu": 2,
}
LAUNCHES = {
    "one process": LaunchConfig(checkpoint_every_s=0),
    "ddp": LaunchConfig(checkpoint_every_s=0, devices=2),
    "deepspeed": LaunchConfig(checkpoint_every_s=0, devices=2, enable_deepspeed=True),
}


def results(plan) -> dict[str, bytes]:
    return {
        str(path.relative_to(plan.run_dir)): path.read_bytes()
        for path in sorted(Path(plan.run_dir).glob("fold-*/**/*"))
        if path.is_file() and path.name != "done.json"
    }


@pytest.fixture
def train(warm):
    """`run_worker`, without the imports that each of its processes would wait for."""
    return partial(run_worker, start=warm)


def killed_at(train, plan, fold: int, epoch: int) -> None:
    """Kill the whole training as it tells of this epoch: its checkpoint may be there, or just not."""
    pids = []

    def kill(event):
        pids.extend(event.get("pids", ()))
        if (event.get("fold"), event.get("epoch")) == (fold, epoch):
            for pid in pids:
                psutil.Process(pid).kill()

    with pytest.raises(ExperimentFailed, match="killed by signal 9"):
        train(plan, on_event=kill)


@pytest.mark.parametrize(
    ("launch", "moments"),
    [("one process", [(0, 2), (0, 4), (1, 6)]), ("ddp", [(0, 3), (1, 5)]), ("deepspeed", [(0, 3)])],
)
def test_it_ends_as_if_nothing_had_been(planner, train, tmp_path, launch, moments):
    undisturbed, plan = (
        planner(tmp_path / name, launch=LAUNCHES[launch], **SPEC) for name in ("undisturbed", "killed")
    )
    train(undisturbed, on_event=lambda event: None)
    for fold, epoch in moments:
        killed_at(train, plan, fold, epoch)
    events = []

    train(plan, on_event=events.append)

    assert results(plan) == results(undisturbed)
    fold, epoch = moments[-1]
    repeated = [e for e in events if e["event"] == "epoch" and e["fold"] == fold and e["epoch"] < epoch]
    assert repeated == [], "what lay before the checkpoint is not trained again"
    assert not list(tmp_path.glob("*/fold-*/.checkpoint*"))


@pytest.fixture
def interrupted(planner, train, tmp_path):
    """A training in one process, killed in its fourth epoch, and its checkpoint."""
    plan = planner(tmp_path, launch=LAUNCHES["one process"], **SPEC)
    killed_at(train, plan, 0, 4)
    checkpoint = checkpoint_path(plan, 0)
    return plan, checkpoint


def epochs_of(train, plan) -> list[int]:
    events = []
    train(plan, on_event=events.append)
    return [event["epoch"] for event in events if event["event"] == "epoch" and event["fold"] == 0]


@pytest.mark.parametrize("left", [0.0, 0.001, 0.3, 0.9, 0.9999])
def test_a_checkpoint_cut_short_is_left_aside(interrupted, train, left):
    plan, checkpoint = interrupted
    whole = checkpoint.read_bytes()
    checkpoint.write_bytes(whole[: int(left * len(whole))])
    assert epochs_of(train, plan) == [1, 2, 3, 4, 5, 6]
    assert "can't be read" in (Path(plan.run_dir) / "worker.log").read_text()


class Payload:
    def __reduce__(self):
        return (exec, ("open('executed', 'w')",))


@pytest.mark.parametrize("content", [{"a": 1}, torch.zeros(2), None], ids=["record", "tensor", "folder"])
def test_what_is_no_checkpoint_is_left_aside(interrupted, train, content):
    plan, checkpoint = interrupted
    checkpoint.unlink()
    if content is None:
        checkpoint.mkdir()
    else:
        write_tensors(checkpoint, content)
    assert epochs_of(train, plan) == [1, 2, 3, 4, 5, 6]


def test_a_deepspeed_checkpoint_without_a_part_is_left_aside(planner, train, tmp_path):
    plan = planner(tmp_path, launch=LAUNCHES["deepspeed"], **SPEC)
    killed_at(train, plan, 0, 4)
    checkpoint = checkpoint_path(plan, 0)
    next(checkpoint.rglob("*optim_states.pt")).unlink()
    assert epochs_of(train, plan) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("part", ["*model_states.pt", "*optim_states.pt"])
@pytest.mark.parametrize("left", [0.0, 0.9])
def test_a_deepspeed_checkpoint_cut_short_is_left_aside(planner, train, tmp_path, part, left):
    plan = planner(tmp_path, launch=LAUNCHES["deepspeed"], **SPEC)
    killed_at(train, plan, 0, 4)
    path = next(checkpoint_path(plan, 0).rglob(part))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(left * len(whole))])
    assert epochs_of(train, plan) == [1, 2, 3, 4, 5, 6]
    assert "can't be read" in (Path(plan.run_dir) / "worker.log").read_text()


def test_a_checkpoint_runs_no_code(interrupted, train, monkeypatch):
    plan, checkpoint = interrupted
    monkeypatch.chdir(plan.run_dir)
    checkpoint.write_bytes(pickle.dumps(Payload()))
    assert epochs_of(train, plan) == [1, 2, 3, 4, 5, 6]
    assert not Path("executed").exists()


def test_the_checkpoint_of_another_spec_is_not_taken_up(interrupted, planner, train):
    plan, checkpoint = interrupted
    other = planner(Path(plan.run_dir), launch=LAUNCHES["one process"], **(SPEC | {"seed": 1}))
    assert epochs_of(train, other) == [1, 2, 3, 4, 5, 6]
    assert not checkpoint.exists()


def test_a_process_that_dies_ends_the_others(planner, train, tmp_path):
    plan = planner(tmp_path, launch=LAUNCHES["ddp"], **(SPEC | {"epochs": 200}))
    pids = []

    def kill_the_second(event):
        pids.extend(event.get("pids", ()))
        if event.get("epoch") == 2:
            psutil.Process(pids[1]).kill()

    with pytest.raises(ExperimentFailed):
        train(plan, on_event=kill_the_second)
    assert len(pids) == 2
    assert all(has_ended(pid) for pid in pids)


def test_a_deepspeed_checkpoint_becomes_a_plain_state_dict(planner, train, tmp_path):
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    plan = planner(tmp_path, launch=LAUNCHES["deepspeed"], **SPEC)
    killed_at(train, plan, 0, 4)
    checkpoint = checkpoint_path(plan, 0)
    weights = get_fp32_state_dict_from_zero_checkpoint(str(checkpoint), tag="checkpoint")
    network = build_network("segmentation", plan.spec.architecture)
    own = {name.removeprefix("network."): each for name, each in weights.items() if "network." in name}
    network.load_state_dict(own)
    assert len(list(checkpoint.rglob("*optim_states.pt"))) == 2, "a part of each process"


@pytest.mark.parametrize("launch", ["one process", "ddp"])
@pytest.mark.parametrize("rank", [0, -1])
def test_a_stop_from_outside_is_no_failure(planner, train, tmp_path, launch, rank):
    plan = planner(tmp_path, launch=LAUNCHES[launch], **(SPEC | {"epochs": 200}))
    pids = []

    def terminate(event):
        pids.extend(event.get("pids", ()))
        if event.get("epoch") == 2:
            psutil.Process(pids[rank]).terminate()

    with pytest.raises(OutOfTime, match="stopped from outside by signal 15"):
        train(plan, on_event=terminate)
    assert all(has_ended(pid) for pid in pids)


@pytest.mark.parametrize("renames", [0, 1, 2])
def test_a_kill_amid_the_change_of_checkpoints_loses_neither(tmp_path, monkeypatch, renames):
    final, unfinished = tmp_path / "checkpoint", tmp_path / "checkpoint.unfinished"
    for folder, content in ((final, "old"), (unfinished, "new")):
        folder.mkdir()
        (folder / "part").write_text(content)
    done, rename = [], Path.rename

    def killed(path, target):
        if len(done) == renames:
            raise KeyboardInterrupt
        done.append(rename(path, target))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", killed)
        patched.setattr("arc_core.training.checkpoint.remove", lambda path: None)
        try:
            put_in_place(unfinished, final)
        except KeyboardInterrupt:
            assert renames < 2
    taken_up(final)
    assert (final / "part").read_text() == ("new" if renames == 2 else "old")
    if renames < 2:
        put_in_place(unfinished, final)
        assert [path.name for path in tmp_path.iterdir()] == ["checkpoint"]
        assert (final / "part").read_text() == "new"
