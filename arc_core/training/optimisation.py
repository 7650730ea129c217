"""The optimisers and schedules a spec may name."""

from collections.abc import Iterable
from typing import Any

import torch
from torch.optim import lr_scheduler

from arc_core.errors import SpecError
from arc_core.experiments.spec import ExperimentSpec, Optimiser

_SGD_MOMENTUM = 0.9


def build_optimiser(
    spec: Optimiser, parameters: Iterable[torch.nn.Parameter], *, fused: bool = False
) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD with Nesterov's momentum of 0.9.

    `fused`: all parameters in one kernel, three times as fast on a CPU too.
    """
    shared: dict[str, Any] = {"lr": spec.lr, "weight_decay": spec.weight_decay, "fused": fused}
    if spec.name == "adam":
        return torch.optim.Adam(parameters, **shared)
    if spec.name == "adamw":
        return torch.optim.AdamW(parameters, **shared)
    if spec.name == "sgd":
        return torch.optim.SGD(parameters, momentum=_SGD_MOMENTUM, nesterov=True, **shared)
    raise SpecError(
        "there is no such optimiser",
        where="optimiser.name",
        got=spec.name,
        expected="adam, adamw or sgd",
        cure="Choose one of these.",
    )


def build_schedule(
    spec: ExperimentSpec, optimiser: torch.optim.Optimizer, steps: int
) -> lr_scheduler.LRScheduler:
    """The learning rate over `steps` optimiser steps; `lr` is its highest value."""
    if spec.schedule == "one_cycle":
        # OneCycle needs a step more than one to have a way up and a way down.
        return lr_scheduler.OneCycleLR(
            optimiser, max_lr=spec.optimiser.lr, total_steps=max(steps, 2), cycle_momentum=False
        )
    if spec.schedule == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    return lr_scheduler.LambdaLR(optimiser, lambda step: 1.0)
