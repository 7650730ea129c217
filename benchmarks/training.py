"""Images a second of ARC's training epochs, against a bare PyTorch loop on tensors ready-made in memory.

Same network, loss, batches, precision, fused optimiser, threads and memory settings; a second ratio is to a
loop with torch's default optimiser. ARC also shuffles, augments, normalises, checkpoints and reports; its
epochs are timed from outside by the worker's protocol, the first one left out. Every sixth epoch looks at
the held-out cases for the learning curve, which is no training: those epochs are not in the ratio, and a row
has them. The bare loop does none of all that. Both are processes of their own and take turns, and both are
told by their median epoch: a neighbour's burst falls on either. The ratio is the median of the rounds'. On a
CUDA GPU the utilisation is sampled too.
"""

import contextlib
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import mean, median

from arc_core.errors import OutOfTime
from arc_core.training.plan import TrainingPlan
from benchmarks.reporting import finish

ROUNDS = 9
EPOCHS = {"cpu": 24, "cuda": 160}  # after the first, of the standard 60; a GPU's take milliseconds
TARGET = 0.95
MOST_IDLE_PERCENT = 15.0
SAMPLE_S = 0.1
# A GPU is filled by what it is bought for; the standard network at 128 px would leave any of them idle.
ON_CUDA = (
    *("spec.image_size_px=512", "spec.architecture.width=32", "spec.batch_size=12"),
    f"spec.epochs={EPOCHS['cuda'] + 40}",
)


def main() -> None:
    import torch

    from benchmarks.study import configured, opened, plan_in, scratch

    cuda = torch.cuda.is_available()
    with scratch() as folder:
        config = configured(*(ON_CUDA if cuda else ()))
        dataset = opened(config, folder)
        arc, with_curve, bare, plain, busy = [], [], [], [], []
        for number in range(ROUNDS):
            plan = plan_in(folder / f"exp-{number}", config, dataset, (0,) if cuda else ())
            with _utilisation(cuda) as samples:
                trained, watched, (begin, end) = _arc(plan)
            arc.append(trained)
            with_curve.append(watched)
            busy += [percent for at, percent in samples if begin < at < end]
            bare.append(_bare(plan, "fused"))
            plain.append(_bare(plan, "plain"))
    ratio, over_plain = (
        median(mine / theirs for mine, theirs in zip(arc, each, strict=True)) for each in (bare, plain)
    )
    rows = [
        ("device", torch.cuda.get_device_name() if cuda else "CPU, one thread"),
        (f"bare PyTorch loop, median of {ROUNDS}", f"{median(bare):.1f} images/s"),
        (f"ARC's epochs after the first, median of {ROUNDS}", f"{median(arc):.1f} images/s"),
        ("the same with the learning curve's epochs", f"{median(with_curve):.1f} images/s"),
        ("ratio, median of the rounds'", f"{ratio:.3f}"),
        ("the same to a bare loop with torch's default optimiser, not fused", f"{over_plain:.3f}"),
        ("GPU utilisation while ARC trains", f"{mean(busy):.0f} %" if busy else "no CUDA GPU: not run"),
    ]
    if busy:
        value, target = mean(busy), 100 - MOST_IDLE_PERCENT
        line = {"name": "training_utilisation", "value": round(value, 1), "target": target}
        print(json.dumps(line | {"better": "higher", "ok": value >= target}))
    finish("training", rows, value=ratio, target=TARGET, better="higher")


def _arc(plan: TrainingPlan) -> tuple[float, float, tuple[float, float]]:
    """Images a second of the median epoch that only trained, and of the mean of all after the first; from
    when to when these went.
    """
    from arc_core.training.process import run_worker

    ends: list[float] = []
    watched: list[bool] = []
    epochs = EPOCHS[plan.system.device]
    stop = threading.Event()

    def on_event(event: dict[str, object]) -> None:
        if event["event"] == "epoch":
            ends.append(time.perf_counter())
            watched.append(event["held_out_loss"] is not None)
        if len(ends) > epochs:
            stop.set()

    with contextlib.suppress(OutOfTime):
        run_worker(plan, on_event=on_event, stop=stop)
    images = len(plan.split.training(0))
    spans = [end - begin for begin, end in itertools.pairwise(ends[: epochs + 1])]
    only = [span for span, looked in zip(spans, watched[1:], strict=False) if not looked]
    return images / median(only), images / mean(spans), (ends[0], ends[epochs])


def _bare(plan: TrainingPlan, optimiser: str) -> float:
    command = [sys.executable, "-m", "benchmarks.training", str(plan.path), optimiser]
    environment = os.environ | plan.environment()  # it keeps freed memory as ARC does
    return float(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)


@contextlib.contextmanager
def _utilisation(cuda: bool) -> Iterator[list[tuple[float, float]]]:
    """When, and percent, sampled as long as the context is open; nothing without a GPU."""
    import torch

    samples: list[tuple[float, float]] = []
    over = threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_S):
            samples.append((time.perf_counter(), float(torch.cuda.utilization())))

    thread = threading.Thread(target=sample)
    if cuda:
        thread.start()
    yield samples
    over.set()
    if cuda:
        thread.join()


def bare(plan: TrainingPlan, *, fused: bool) -> float:
    """In a child process: images a second of the median epoch after the first."""
    import torch

    from arc_core.training import libraries

    libraries.load()
    from arc_core.training.frames import load_frames
    from arc_core.training.losses import build_loss
    from arc_core.training.networks import build_network
    from arc_core.training.normalisation import normalise
    from arc_core.training.optimisation import build_optimiser
    from arc_core.training.preparation import as_target

    torch.set_num_threads(plan.system.cpu_threads)
    torch.use_deterministic_algorithms(plan.system.device == "cpu")
    torch.utils.deterministic.fill_uninitialized_memory = False
    device = torch.device(plan.system.device)
    half = torch.bfloat16 if device.type == "cuda" and torch.cuda.is_bf16_supported() else None
    frames = load_frames(plan.dataset, plan.spec.task, plan.spec.image_size_px)
    training = frames.positions(plan.split.training(0))
    steps = -(-len(training) // plan.training.micro_batch)
    batches = [
        (
            normalise(frames.images[part].float() / 255, plan.spec.normalisation).to(device),
            as_target(frames.targets[part], plan.spec).to(device),
        )
        for part in torch.tensor_split(training, steps)
    ]
    layout = plan.training.channels_last
    network = build_network(plan.spec.task, plan.spec.architecture, channels_last=layout).to(device)
    loss = build_loss(plan.spec.task, plan.spec.loss, frames.class_counts(training)).to(device)
    optimiser = build_optimiser(plan.spec.optimiser, network.parameters(), fused=fused)

    def epoch() -> None:
        for images, targets in batches:
            optimiser.zero_grad()
            with torch.autocast(device.type, half, enabled=half is not None):
                value = loss(network(images), targets)
            value.backward()
            optimiser.step()
        value.item()  # waits for the device

    ends = []
    for _ in range(1 + EPOCHS[plan.system.device]):
        epoch()
        ends.append(time.perf_counter())
    return len(training) / median(end - begin for begin, end in itertools.pairwise(ends))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        plan = TrainingPlan.model_validate_json(Path(sys.argv[1]).read_bytes())
        print(bare(plan, fused=sys.argv[2] == "fused"))
    else:
        main()
