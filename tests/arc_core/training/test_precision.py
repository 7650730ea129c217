"""The arithmetic of a training: precision, memory format, clipping, compilation."""

import json

import pytest
import torch

from arc_core.training.evaluator import evaluate
from arc_core.training.launch import DeepSpeed, LaunchConfig
from arc_core.training.process import run_worker
from arc_core.training.strategy import resolved_precision

LAUNCHES = {
    "fp32": LaunchConfig(),
    "bf16": LaunchConfig(precision="bf16"),
    "fp16": LaunchConfig(precision="fp16"),
    "in order": LaunchConfig(channels_last=False),
    "compiled": LaunchConfig(compile=True),
    "bf16 with DeepSpeed": LaunchConfig(precision="bf16", enable_deepspeed=True),
    "fp16 with DeepSpeed": LaunchConfig(precision="fp16", enable_deepspeed=True),
    "offloaded": LaunchConfig(enable_deepspeed=True, deepspeed=DeepSpeed(stage=2, offload_optimizer=True)),
}
SPEC = {"epochs": 15, "optimiser__lr": 5e-3}


@pytest.fixture(scope="module")
def trained_as(planner, tmp_path_factory, warm):
    plans = {}

    def train(name, **changes):
        key = (name, *changes.items())
        if key not in plans:
            folder = tmp_path_factory.mktemp(name.replace(" ", "_"))
            plans[key] = planner(folder, launch=LAUNCHES[name], **SPEC, **changes)
            run_worker(plans[key], on_event=lambda event: None, start=warm)
        return plans[key]

    return train


def weights(plan):
    return torch.load(plan.fold_dir(0) / "model.pt", weights_only=True)


@pytest.mark.parametrize("name", LAUNCHES)
def test_it_learns_and_leaves_a_model_of_full_precision(trained_as, name):
    plan, plain = trained_as(name), trained_as("fp32")
    assert {tensor.dtype for tensor in weights(plan).values()} <= {torch.float32, torch.int64}
    assert weights(plan).keys() == weights(plain).keys()
    expected = evaluate(plain)[0].metrics["disc_dice"].value
    assert evaluate(plan)[0].metrics["disc_dice"].value == pytest.approx(expected, abs=0.1)
    done = json.loads((plan.fold_dir(0) / "done.json").read_text())
    assert done["precision"] == (name[:4] if name[:4] in ("bf16", "fp16") else "fp32")


@pytest.mark.parametrize("name", ["bf16", "fp16", "in order", "compiled"])
def test_the_option_is_not_ignored(trained_as, name):
    assert any(
        not torch.equal(tensor, weights(trained_as("fp32"))[key])
        for key, tensor in weights(trained_as(name)).items()
    )


@pytest.mark.parametrize("name", ["fp32", "bf16", "fp16"])
def test_a_clipped_gradient_moves_the_weights_less(trained_as, name):
    sgd = {"optimiser__name": "sgd"}
    free, clipped = trained_as(name, **sgd), trained_as(name, **sgd, gradient_clip=1e-6)
    start = weights(trained_as("fp32", **sgd, gradient_clip=1e-12, seed=0))

    def moved(plan):
        return sum(
            float((tensor - start[key]).abs().sum())
            for key, tensor in weights(plan).items()
            if key.endswith(("conv.weight", "conv.bias"))
        )

    assert moved(clipped) < 1e-2 * moved(free)


def test_auto_is_full_precision_on_a_cpu(planner, tmp_path):
    assert resolved_precision(planner(tmp_path)) == "fp32"
