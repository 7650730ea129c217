"""What a training costs, from a measured table: arithmetic, memory and time. Loads no torch."""

import json
import time
from functools import cache
from pathlib import Path
from statistics import median
from typing import Literal

from arc_core.data.splits import Split
from arc_core.errors import SpecError
from arc_core.experiments.metric import Task
from arc_core.experiments.spec import Architecture, ExperimentSpec
from arc_core.record import Record

TABLE = Path(__file__).parent / "costs.json"
REFERENCE_PX = 128
"""Side of the image at which the table was measured."""

# What a process holds before the first image: torch, lightning and monai; on a GPU, the CUDA context.
HOST_BASE_MIB = 620.0
CUDA_BASE_MIB = 700.0
# Weights, gradients, two moments of Adam and the optimiser's scratch: five float32 per parameter.
BYTES_PER_PARAMETER = 20
# Besides the saved activations: convolution workspaces and gradients in flight; on a GPU also what torch's
# allocator keeps. There 5,580 MiB were measured for a batch of 12 of 512 px, which a factor of 2.33 explains.
ACTIVATION_FACTOR = {"cpu": 1.6, "cuda": 2.4}

FOLD_S = 0.6
"""Seconds per fold outside the training steps: building, predicting and writing."""

# A training step waits for memory as well as for arithmetic (Williams et al., CACM 2009). Counting each
# saved MiB as this much arithmetic predicts the step times of all seven networks within a factor of 1.6;
# arithmetic alone is off by up to 5 between them. Fitted on one thread of a server CPU.
GFLOP_PER_MIB = 0.09

# Training speed, in those units, over the probe's, on one thread each; measured with U-Net 16/4 at 128 px.
PROBE_EFFICIENCY = 0.9


class Cost(Record):
    """Cost of one training image of a spec, at the spec's own image size."""

    parameters: int
    gflop_per_image: float
    """Forward and backward, multiply and add counted as two."""
    activation_mib_per_image: float
    """What the forward pass keeps for the backward one, in float32."""


def cost_key(task: Task, architecture: Architecture) -> str:
    """The entry of the table: `segmentation/unet/16/4` for width 16 and depth 4."""
    return f"{task}/{architecture.name}/{architecture.width}/{architecture.depth}"


@cache
def table() -> dict[str, Cost]:
    """Every measured architecture at 128 px; written by `python -m arc_core.training.profile`."""
    entries = json.loads(TABLE.read_text(encoding="utf-8"))
    return {key: Cost.model_validate(entry) for key, entry in entries.items()}


def cost_of(spec: ExperimentSpec) -> Cost:
    """The table's entry, scaled by image area; SpecError where the architecture was never measured."""
    key = cost_key(spec.task, spec.architecture)
    reference = table().get(key)
    if reference is None:
        measured = _measured(spec.task, spec.architecture.name)
        raise SpecError(
            "this architecture has no measured cost",
            where="architecture",
            got=key,
            expected=f"of {spec.architecture.name}, {measured}"
            if measured
            else "a network that was measured",
            cure="Choose one of these." if measured else "Run `make costs` after adding a network.",
        )
    # Convolutions do the same work for every pixel, so both scale with the area.
    area = (spec.image_size_px / REFERENCE_PX) ** 2
    return reference.model_copy(
        update={
            "gflop_per_image": reference.gflop_per_image * area,
            "activation_mib_per_image": reference.activation_mib_per_image * area,
        }
    )


def _measured(task: Task, network: str) -> str:
    """`width 8, 12 with depth 3, 4, or width 8 with depth 5`; nothing where no size of it was measured."""
    widths: dict[str, list[str]] = {}
    for key in table():
        *kind, width, depth = key.split("/")
        if kind == [task, network]:
            widths.setdefault(depth, []).append(width)
    depths: dict[str, list[str]] = {}
    for depth in sorted(widths, key=int):
        depths.setdefault(", ".join(sorted(widths[depth], key=int)), []).append(depth)
    return ", or ".join(f"width {wide} with depth {', '.join(deep)}" for wide, deep in depths.items())


def training_images(split: Split, spec: ExperimentSpec) -> int:
    """Images that pass through the network in training, over all folds and epochs."""
    # Each case is held out once, so it trains in every fold but its own.
    return len(split.assignment) * (split.folds - 1) * spec.epochs


def work_gflop(split: Split, spec: ExperimentSpec) -> float:
    """The whole training in 10⁹ floating-point operations, memory traffic counted as such."""
    cost = cost_of(spec)
    per_image = cost.gflop_per_image + GFLOP_PER_MIB * cost.activation_mib_per_image
    return training_images(split, spec) * per_image


def memory_mib(spec: ExperimentSpec, *, micro_batch: int, device: Literal["cpu", "cuda"] = "cpu") -> float:
    """Memory the training needs on its device, in MiB, the decoded cases not included."""
    cost = cost_of(spec)
    model = cost.parameters * BYTES_PER_PARAMETER / 2**20
    step = cost.activation_mib_per_image * micro_batch * ACTIVATION_FACTOR[device]
    base = CUDA_BASE_MIB if device == "cuda" else HOST_BASE_MIB
    return base + model + step


def cached_mib(spec: ExperimentSpec, cases: int) -> float:
    """Host memory that the decoded cases fill, in MiB; a GPU only ever gets a micro-batch of them."""
    return cases * spec.image_size_px**2 * 4 / 2**20  # RGB and a mask, one byte each


def estimate_s(work_gflop: float, *, speed_gflop_s: float, startup_s: float, folds: int) -> float:
    """Seconds a training of that much work takes at that speed."""
    return startup_s + folds * FOLD_S + work_gflop / speed_gflop_s


@cache
def machine_gflop_s() -> float:
    """A first guess at this machine's training speed on one thread, before anything was measured.

    Multiplies small matrices for about 0.1 s and applies `PROBE_EFFICIENCY`.
    """
    import numpy as np

    # Small enough that BLAS stays on one thread.
    side, repeats = 64, 50
    matrix = np.ones((side, side), np.float32)
    product = np.empty_like(matrix)
    times_s = []
    started = time.perf_counter()
    while time.perf_counter() - started < 0.1:
        before = time.perf_counter()
        for _ in range(repeats):
            np.dot(matrix, matrix, out=product)
        times_s.append(time.perf_counter() - before)
    return PROBE_EFFICIENCY * 2 * repeats * side**3 / median(times_s) / 1e9
