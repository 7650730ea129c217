"""What only a GPU can show: the same values as on the CPU, and a training from its start to its files."""

import threading

import pytest
import torch

from arc_core.errors import OutOfTime
from arc_core.experiments.spec import Loss
from arc_core.gpu.inventory import read_driver
from arc_core.training import catalogue
from arc_core.training.batches import Batch
from arc_core.training.evaluator import evaluate
from arc_core.training.launch import LaunchConfig
from arc_core.training.losses import build_loss
from arc_core.training.module import predict_logits
from arc_core.training.networks import build_network
from arc_core.training.preparation import as_target, prepared
from arc_core.training.process import run_worker
from arc_core.training.strategy import settle_arithmetic

pytestmark = pytest.mark.skipif(not read_driver(), reason="no GPU: nothing can run on CUDA")

TASKS = ("segmentation", "classification")
PARTS = {
    kind: [(task, name) for task in TASKS for name in sorted(getattr(catalogue, kind)(task))]
    for kind in ("networks", "losses")
}
LAUNCHES = {
    "auto": LaunchConfig(),
    "fp32": LaunchConfig(precision="fp32"),
    "fp16": LaunchConfig(precision="fp16"),
    "in order": LaunchConfig(channels_last=False),
    "compiled": LaunchConfig(compile=True),
    "DeepSpeed": LaunchConfig(enable_deepspeed=True),
}
LEARNS = {"epochs": 15, "optimiser__lr": 5e-3}
CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.fixture(autouse=True)
def _as_in_a_worker(monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)  # puts back what was
    settle_arithmetic()


@pytest.fixture
def spec_of(planner, tmp_path):
    return lambda task, **changes: planner(tmp_path, task, image_size_px=64, **changes).spec


def pixels(*shape, below=256):
    return torch.randint(below, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("task", "name"), PARTS["networks"])
def test_a_network_predicts_what_it_predicts_on_the_cpu(spec_of, task, name):
    spec = spec_of(task)
    architecture = spec.architecture.model_copy(update={"name": name})
    torch.manual_seed(0)
    network = build_network(task, architecture).eval()
    on_cpu, on_gpu = (
        predict_logits(network, pixels(4, 3, 64, 64), spec, micro_batch=4, device=device)
        for device in (CPU, GPU)
    )
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("task", "name"), PARTS["losses"])
def test_a_loss_and_its_gradient_are_those_of_the_cpu(spec_of, task, name):
    spec = spec_of(task)
    shape = (4, 3, 64, 64) if task == "segmentation" else (4, 1)
    classes = pixels(4, 64, 64, below=3) if task == "segmentation" else torch.tensor([0, 1, 1, 0])
    start = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    found = []
    for device in (CPU, GPU):
        logits = start.to(device, copy=True).requires_grad_()
        loss = build_loss(task, Loss(name=name, params={}), (10, 10)).to(device)
        value = loss(logits, as_target(classes.to(device), spec))
        value.backward()
        found.append((value.detach().cpu(), logits.grad.cpu()))
    for on_gpu, on_cpu in zip(found[1], found[0], strict=True):
        torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-3, atol=1e-5)


def test_a_batch_is_prepared_as_on_the_cpu_but_for_the_noise(spec_of):
    spec = spec_of("segmentation", augmentation__noise_sigma=0.0, augmentation__rotation_deg=10)

    def changed(device, spec):
        batch = Batch(pixels(4, 3, 64, 64).to(device), pixels(4, 64, 64, below=3).to(device), None, 0, 0)
        return prepared(batch, spec, 0)

    torch.testing.assert_close(
        changed(GPU, spec).images.cpu(), changed(CPU, spec).images, rtol=1e-3, atol=1e-3
    )
    noisy = spec.changed({"augmentation.noise_sigma": 0.01})
    once, again = changed(GPU, noisy), changed(GPU, noisy)
    assert torch.equal(once.images, again.images)
    assert not torch.allclose(once.images, changed(GPU, spec).images, atol=0.01)


@pytest.fixture(scope="module")
def on_the_cpu(planner, tmp_path_factory, warm):
    plan = planner(tmp_path_factory.mktemp("cpu"), **LEARNS)
    run_worker(plan, on_event=lambda event: None, start=warm)
    return evaluate(plan)[0].metrics["disc_dice"].value


@pytest.mark.parametrize("clip", [0.0, 1.0])
@pytest.mark.parametrize("name", LAUNCHES)
def test_it_learns_as_on_the_cpu(planner, tmp_path, warm, on_the_cpu, name, clip):
    plan = planner(tmp_path, launch=LAUNCHES[name], gpu_ids=(0,), gradient_clip=clip, **LEARNS)
    carried_out = run_worker(plan, on_event=lambda event: None, start=warm)
    result, _ = evaluate(carried_out)
    assert result.metrics["disc_dice"].value == pytest.approx(on_the_cpu, abs=0.1)
    assert (result.device, result.devices) == ("cuda", 1)
    assert result.precision == {"fp32": "fp32", "fp16": "fp16"}.get(name, result.precision)
    assert result.peak_memory_mib > 1


def test_a_classification_and_its_relevance_maps(planner, tmp_path, start):
    plan = planner(tmp_path, "classification", gpu_ids=(0,), image_size_px=64)
    run_worker(plan, on_event=lambda event: None, start=start)
    result, cases = evaluate(plan)
    assert result.device == "cuda"
    assert all(case.dri is not None for case in cases)


def test_a_training_that_was_stopped_goes_on_from_its_checkpoint(planner, tmp_path, warm):
    plan = planner(tmp_path, gpu_ids=(0,), epochs=100)
    stop = threading.Event()

    def stopped_behind_the_second(event):
        if event["event"] == "epoch" and event["epoch"] == 2:
            stop.set()

    with pytest.raises(OutOfTime):
        run_worker(plan, on_event=stopped_behind_the_second, stop=stop, start=warm)
    events = []
    run_worker(plan, on_event=events.append, start=warm)
    assert next(event["epoch"] for event in events if event["event"] == "epoch") > 2
    assert len(evaluate(plan)[0].curve) == 2 * 100
