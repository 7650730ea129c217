"""Trainings in two processes, on the CPU with gloo: the same result as in one."""

import json

import pytest
import torch

from arc_core.data.reader import read_image
from arc_core.training.evaluator import evaluate
from arc_core.training.launch import DeepSpeed, LaunchConfig
from arc_core.training.predictor import Predictor
from arc_core.training.process import run_worker

# Steps of four images in two micro-batches: one after the other in one process, or one in each of two.
ONE = {"batch_size": 4, "batch_size_per_gpu": 2}
TWO = {"batch_size": 2, "batch_size_per_gpu": 2}
SPEC = {"epochs": 4, "architecture__dropout": 0.2, "optimiser__name": "sgd", "optimiser__lr": 0.02}


def weights(plan, fold=0):
    return torch.load(plan.fold_dir(fold) / "model.pt", weights_only=True)


@pytest.fixture(scope="module")
def alone(planner, tmp_path_factory, warm):
    # The order in memory decides which values dropout takes; DeepSpeed has them in order.
    plan = planner(tmp_path_factory.mktemp("alone"), launch=LaunchConfig(channels_last=False), **ONE, **SPEC)
    events = []
    run_worker(plan, on_event=events.append, start=warm)
    return plan, events


LAUNCHES = {
    "ddp": LaunchConfig(devices=2, channels_last=False),
    "stage 1": LaunchConfig(devices=2, enable_deepspeed=True, deepspeed=DeepSpeed(stage=1)),
    "stage 2": LaunchConfig(devices=2, enable_deepspeed=True),
    "stage 3": LaunchConfig(devices=2, enable_deepspeed=True, deepspeed=DeepSpeed(stage=3)),
}


@pytest.fixture(scope="module", params=LAUNCHES)
def together(request, planner, tmp_path_factory, warm):
    plan = planner(tmp_path_factory.mktemp("together"), launch=LAUNCHES[request.param], **TWO, **SPEC)
    events = []
    run_worker(plan, on_event=events.append, start=warm)
    return plan, events


def test_two_processes_learn_what_one_learns(alone, together):
    (one, _), (two, _) = alone, together
    expected, found = weights(one), weights(two)
    assert expected.keys() == found.keys()
    for name, tensor in found.items():
        kind = name.rpartition(".")[2]
        if kind == "num_batches_tracked":  # each process counts its own
            continue
        # Two micro-batches at once leave the running statistics a little elsewhere than one after the other.
        slack = 0.02 if kind in ("running_mean", "running_var") else 1e-5
        torch.testing.assert_close(tensor, expected[name], rtol=1e-4, atol=slack, msg=name)


def test_the_loss_is_that_of_all_processes(alone, together):
    def curve(events):
        return [event["train_loss"] for event in events if event["event"] == "epoch"]

    assert curve(together[1]) == pytest.approx(curve(alone[1]), rel=1e-4)


def test_one_process_speaks_for_both(together):
    _, events = together
    epochs = [(event["fold"], event["epoch"]) for event in events if event["event"] == "epoch"]
    assert epochs == [(fold, epoch) for fold in (0, 1) for epoch in range(1, 5)]
    assert [event["event"] for event in events if event["event"] in ("started", "finished")] == [
        "started",
        "finished",
    ]


def test_every_case_is_measured_once_and_nearly_alike(alone, together):
    one, two = evaluate(alone[0]), evaluate(together[0])
    assert [case.image_id for case in one[1]] == [case.image_id for case in two[1]]
    assert two[0].metrics["mean_dice"].value == pytest.approx(one[0].metrics["mean_dice"].value, abs=0.02)
    done = json.loads((together[0].fold_dir(0) / "done.json").read_text())
    assert (done["devices"], done["precision"]) == (2, "fp32")


def test_the_model_is_one_plain_file_that_predicts(together):
    plan, _ = together
    result, _ = evaluate(plan)
    predictor = Predictor.load(plan.path.parent, result.files)
    image = read_image(plan.dataset.image_path(plan.dataset.cases[0]))
    assert predictor.predict(image).mask.shape == image.shape[:2]
    assert not list(plan.fold_dir(0).glob(".checkpoint*"))
