"""Lightning's Trainer for a plan: how the processes share the work, and in which arithmetic."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.plugins.environments import LightningEnvironment
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy, Strategy

from arc_core.training.checkpoint import (
    AtomicIO,
    EveryFewSeconds,
    StopsWhenTold,
    checkpoint_path,
    tensors_of,
)
from arc_core.training.launch import Precision
from arc_core.training.plan import TrainingPlan

LIGHTNING_PRECISION = {"fp32": "32-true", "bf16": "bf16-mixed", "fp16": "16-mixed"}


def settle_arithmetic() -> None:
    """How torch computes in this process, whatever the precision."""
    # Deterministic algorithms would fill all new memory first; nothing here is read before it is written.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # stub lacks it
    # Else float32 convolutions on a GPU round their factors to 10 bits, those of the held-out cases too.
    torch.backends.cudnn.allow_tf32 = False


def resolved_precision(plan: TrainingPlan) -> Precision:
    """What `auto` comes to on this device."""
    if plan.training.precision != "auto":
        return plan.training.precision
    if plan.system.device == "cpu":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def build_trainer(plan: TrainingPlan, fold: int, accumulate: int) -> Trainer:
    """The Trainer of one fold, in this process of the training."""
    on_gpu = plan.system.device == "cuda"
    return Trainer(
        accelerator="gpu" if on_gpu else "cpu",
        devices=plan.training.devices,
        strategy=_strategy(plan),
        # Named, so that Lightning does not look for a cluster in the environment.
        plugins=[LightningEnvironment()],
        precision=LIGHTNING_PRECISION["fp32" if plan.deepspeed else resolved_precision(plan)],
        max_epochs=plan.training.epochs,
        accumulate_grad_batches=accumulate,
        gradient_clip_val=plan.training.gradient_clip or None,
        # Some CUDA kernels (bilinear upsampling backwards) have no repeatable form; the log names them.
        deterministic="warn" if on_gpu else True,
        callbacks=[
            EveryFewSeconds(checkpoint_path(plan, fold), plan.training.checkpoint_every_s),
            StopsWhenTold(checkpoint_path(plan, fold)),
        ],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )


def reader(plan: TrainingPlan) -> Callable[[Path], Any]:
    """What reads a file of the plan's checkpoints."""
    if plan.deepspeed is None:
        return tensors_of
    from arc_core.training.zero import records_of

    return cast(Callable[[Path], Any], records_of)


def _strategy(plan: TrainingPlan) -> Strategy:
    if plan.deepspeed is not None:
        from arc_core.training.zero import zero_strategy

        return zero_strategy(plan, resolved_precision(plan))
    if plan.training.strategy == "ddp":
        # `ranks.average_running_statistics` brings the buffers together; the first process's own would win.
        options: dict[str, Any] = {"forward_sync_buffers": False, "gradient_as_bucket_view": True}
        return DDPStrategy(checkpoint_io=AtomicIO(), **options)
    return SingleDeviceStrategy("cuda:0" if plan.system.device == "cuda" else "cpu", checkpoint_io=AtomicIO())
