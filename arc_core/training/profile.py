"""Measure every architecture of the search space: `python -m arc_core.training.profile` (`make costs`).

Networks run once on torch's `meta` device: shapes are real, numbers are not, so it takes no memory.
"""

import itertools
import json
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from arc_core.experiments.limits import MAX_PARAMETERS
from arc_core.experiments.metric import Task
from arc_core.experiments.spec import Architecture
from arc_core.provenance.files import write_atomically
from arc_core.training import catalogue
from arc_core.training.cost import REFERENCE_PX, TABLE, Cost, cost_key
from arc_core.training.networks import IMAGE_CHANNELS, build_network

WIDTHS = (8, 12, 16, 24, 32)
DEPTHS = (3, 4, 5)
_BATCH = 2  # batch norm after a pool to 1 × 1 needs two images


def measure_cost(task: Task, architecture: Architecture) -> Cost:
    """Cost of one image of `REFERENCE_PX` pixels a side."""
    with torch.device("meta"):
        network = build_network(task, architecture).train()
        images = torch.empty(_BATCH, IMAGE_CHANNELS, REFERENCE_PX, REFERENCE_PX)
    own = {id(tensor) for tensor in network.parameters()}
    saved: dict[int, torch.Tensor] = {}

    def remember(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in own:
            saved[id(tensor)] = tensor  # kept alive, so that no id is used twice
        return tensor

    counter = FlopCounterMode(display=False)
    with counter, torch.autograd.graph.saved_tensors_hooks(remember, lambda tensor: tensor):
        network(images)
    return Cost(
        parameters=sum(tensor.numel() for tensor in network.parameters()),
        # The backward pass takes the gradient to inputs and to weights, as much work each.
        gflop_per_image=round(3 * counter.get_total_flops() / _BATCH / 1e9, 6),
        activation_mib_per_image=round(_bytes(saved) / _BATCH / 2**20, 4),
    )


def measure_all() -> dict[str, Any]:
    """The whole table; networks over the parameter limit are left out."""
    entries: dict[str, Any] = {}
    tasks: tuple[Task, ...] = ("segmentation", "classification")
    for task in tasks:
        for name, width, depth in itertools.product(sorted(catalogue.networks(task)), WIDTHS, DEPTHS):
            architecture = Architecture(name=name, width=width, depth=depth)
            cost = measure_cost(task, architecture)
            if cost.parameters <= MAX_PARAMETERS:
                entries[cost_key(task, architecture)] = cost.model_dump()
    return entries


def _bytes(saved: dict[int, torch.Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in saved.values())


if __name__ == "__main__":
    write_atomically(TABLE, json.dumps(measure_all(), indent=1, sort_keys=True).encode() + b"\n")
