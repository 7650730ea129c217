"""One fold, from its cases to its sealed folder."""

import io
import logging
import random
import resource
import shutil
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from lightning.pytorch import Trainer

from arc_core.data.reader import write_mask
from arc_core.errors import ExperimentFailed
from arc_core.experiments.result import Point
from arc_core.provenance.canonical import sha256_of
from arc_core.provenance.files import write_atomically
from arc_core.training.batches import EpochBatches
from arc_core.training.fold import (
    CURVE,
    MASKS,
    MODEL,
    PREDICTIONS,
    FoldDone,
    finish_fold,
    fold_key,
    write_rows,
)
from arc_core.training.frames import Frames
from arc_core.training.hardness import easiest_first
from arc_core.training.module import FoldModule, predict_logits
from arc_core.training.plan import TrainingPlan
from arc_core.training.reading import mask_of, probabilities_of


def train_fold(
    plan: TrainingPlan, fold: int, frames: Frames, *, startup_s: float, on_epoch: Callable[[Point], None]
) -> FoldDone:
    """Train, predict the held-out cases, and seal the fold's folder, replacing what an interrupted
    attempt left there. ExperimentFailed when a loss or a prediction is not finite."""
    started = time.perf_counter()
    folder = plan.fold_dir(fold)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    curve: list[Point] = []

    def remember(point: Point) -> None:
        curve.append(point)
        on_epoch(point)

    module, held_out = _fit(plan, fold, frames, remember)
    _save_model(folder / MODEL, module.network)
    logits = predict_logits(module, frames.images[held_out], plan.training.micro_batch)
    if not torch.isfinite(logits).all():
        raise ExperimentFailed(f"the network of fold {fold} predicts values that are not finite")
    _write_predictions(plan, folder, [frames.cases[i].image_id for i in held_out.tolist()], frames, logits)
    rows = [(point.epoch, point.train_loss, point.held_out_loss) for point in curve]
    write_rows(folder / CURVE, ("epoch", "train_loss", "held_out_loss"), rows)
    done = FoldDone(
        fold=fold,
        key=fold_key(plan),
        device=plan.system.device,
        startup_s=startup_s,
        train_s=module.train_s,
        total_s=time.perf_counter() - started,
        images=(len(frames.cases) - len(held_out)) * plan.spec.epochs,
        peak_memory_mib=_peak_memory_mib(plan),
        files={},
    )
    finish_fold(folder, done)
    return done


def _fit(
    plan: TrainingPlan, fold: int, frames: Frames, on_epoch: Callable[[Point], None]
) -> tuple[FoldModule, torch.Tensor]:
    seeds = [seed_of(plan.spec.seed, fold, purpose) for purpose in ("weights", "order", "augmentation")]
    random.seed(seeds[0])
    np.random.seed(seeds[0])  # libraries that draw from it must repeat too
    torch.manual_seed(seeds[0])
    held_out = frames.positions(plan.split.held_out(fold))
    training = EpochBatches(
        frames,
        easiest_first(frames, frames.positions(plan.split.training(fold)), plan.spec.curriculum),
        plan.training.batch_size,
        plan.training.accumulate,
        seeds[1],
    )
    module = FoldModule(
        plan.spec,
        fold=fold,
        training=training,
        held_out=held_out,
        micro_batch=plan.training.micro_batch,
        seed=seeds[2],
        on_epoch=on_epoch,
    )
    trainer = Trainer(
        accelerator="gpu" if plan.system.device == "cuda" else "cpu",
        devices=1,
        max_epochs=plan.spec.epochs,
        accumulate_grad_batches=training.accumulate,
        # Some CUDA kernels (bilinear upsampling backwards) have no repeatable form; the log names them.
        deterministic="warn" if plan.system.device == "cuda" else True,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, train_dataloaders=training)
    return module, held_out


def seed_of(seed: int, fold: int, purpose: str) -> int:
    """One random source per fold and purpose, so that none shifts another. Below 2³²."""
    return int(sha256_of([seed, fold, purpose])[:8], 16)


def _save_model(path: Path, network: torch.nn.Module) -> None:
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    buffer = io.BytesIO()
    torch.save(weights, buffer)
    write_atomically(path, buffer.getvalue())


def _write_predictions(
    plan: TrainingPlan, folder: Path, image_ids: Sequence[str], frames: Frames, logits: torch.Tensor
) -> None:
    probabilities = probabilities_of(logits)
    if plan.spec.task == "classification":
        rows: list[Sequence[object]] = list(zip(image_ids, probabilities[:, 0].tolist(), strict=True))
        write_rows(folder / PREDICTIONS, ("image_id", "probability"), rows)
        return
    (folder / MASKS).mkdir()
    cases = {case.image_id: case for case in frames.cases}
    rows = []
    for image_id, planes in zip(image_ids, probabilities, strict=True):
        mask = mask_of(planes, cases[image_id].height_px, cases[image_id].width_px)
        write_mask(folder / MASKS / f"{image_id}.png", mask)
        rows.append((image_id, int((mask >= 1).sum()), int((mask == 2).sum())))
    write_rows(folder / PREDICTIONS, ("image_id", "disc_area_px", "cup_area_px"), rows)


def _peak_memory_mib(plan: TrainingPlan) -> float:
    if plan.system.device == "cuda":
        return torch.cuda.max_memory_reserved() / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # macOS counts bytes, Linux KiB


def quieten_lightning() -> None:
    """No tips, no lists of unused accelerators; other warnings still reach worker.log."""
    # Lightning 2.6 asks torch's pytree in a way that torch 2.13 has deprecated.
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
