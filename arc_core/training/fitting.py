"""One fold, from its cases to its sealed folder."""

import logging
import random
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from arc_core.data.reader import write_mask
from arc_core.errors import ExperimentFailed
from arc_core.experiments.result import Point
from arc_core.training import ranks
from arc_core.training.batches import EpochBatches
from arc_core.training.chance import seed_of
from arc_core.training.checkpoint import checkpoint_path, remove, taken_up, usable, write_tensors
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
from arc_core.training.networks import build_network
from arc_core.training.plan import TrainingPlan
from arc_core.training.reading import mask_of, probabilities_of
from arc_core.training.relevance import write_relevance
from arc_core.training.strategy import build_trainer, reader, resolved_precision


def train_fold(
    plan: TrainingPlan, fold: int, frames: Frames, *, startup_s: float, on_epoch: Callable[[Point], None]
) -> FoldDone | None:
    """Train, predict the held-out cases, and seal the fold's folder. It goes on from the fold's checkpoint
    if there is one, and replaces all else that an interrupted attempt left there.

    Each process of the training calls it; the first writes, and gets the record. ExperimentFailed when a
    loss or a prediction is not finite.
    """
    started = time.perf_counter()
    folder = plan.fold_dir(fold)
    module, held_out = _fit(plan, fold, frames, on_epoch)
    weights = module.weights
    network = _plain_network(plan, weights)
    logits = _held_out_logits(plan, network, frames.images[held_out])
    if not torch.isfinite(logits).all():
        raise ExperimentFailed(f"the network of fold {fold} predicts values that are not finite")
    if ranks.this() > 0:
        return None
    write_tensors(folder / MODEL, weights)
    _write_predictions(plan, folder, [frames.cases[i].image_id for i in held_out.tolist()], frames, logits)
    write_relevance(plan, folder, network, frames, held_out)
    rows = [(point.epoch, point.train_loss, point.held_out_loss) for point in module.curve]
    write_rows(folder / CURVE, ("epoch", "train_loss", "held_out_loss"), rows)
    remove(checkpoint_path(plan, fold))
    done = FoldDone(
        fold=fold,
        key=fold_key(plan),
        device=plan.system.device,
        devices=plan.training.devices,
        precision=resolved_precision(plan),
        startup_s=startup_s,
        train_s=module.train_s,
        total_s=time.perf_counter() - started + module.before_s,
        images=(len(frames.cases) - len(held_out)) * plan.spec.epochs,
        peak_memory_mib=_peak_memory_mib(plan),
        files={},
    )
    finish_fold(folder, done)
    return done


def _whole_checkpoint(plan: TrainingPlan, fold: int) -> Path | None:
    """The fold's checkpoint if it can be gone on from; all else in its folder is removed."""
    folder, checkpoint = plan.fold_dir(fold), checkpoint_path(plan, fold)
    if ranks.this() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        taken_up(checkpoint)
        for path in folder.iterdir():
            if path != checkpoint:
                remove(path)
        usable(checkpoint, reader(plan), plan.training.devices if plan.deepspeed else 0)
    ranks.barrier()
    return checkpoint if checkpoint.exists() else None


def _fit(
    plan: TrainingPlan, fold: int, frames: Frames, on_epoch: Callable[[Point], None]
) -> tuple[FoldModule, torch.Tensor]:
    seed = seed_of(plan.spec.seed, fold, "weights")
    random.seed(seed)
    np.random.seed(seed)  # libraries that draw from it must repeat too
    torch.manual_seed(seed)
    held_out = frames.positions(plan.split.held_out(fold))
    training = EpochBatches(
        frames,
        easiest_first(frames, frames.positions(plan.split.training(fold)), plan.spec.curriculum),
        plan.training.batch_size,
        plan.training.accumulate,
        seed_of(plan.spec.seed, fold, "order"),
        rank=ranks.this(),
        ranks=ranks.count(),
    )
    module = FoldModule(plan, fold, training, held_out, on_epoch)
    build_trainer(plan, fold, training.accumulate).fit(
        module, train_dataloaders=training, ckpt_path=_whole_checkpoint(plan, fold), weights_only=True
    )
    return module, held_out


def _plain_network(plan: TrainingPlan, weights: dict[str, torch.Tensor]) -> torch.nn.Module:
    """The network that is saved, in float32, whatever it was trained in."""
    network = build_network(plan.spec.task, plan.spec.architecture, channels_last=plan.training.channels_last)
    network.load_state_dict(weights)
    return network


def _held_out_logits(plan: TrainingPlan, network: torch.nn.Module, images: torch.Tensor) -> torch.Tensor:
    device = torch.device("cuda", ranks.this()) if plan.system.device == "cuda" else torch.device("cpu")
    return predict_logits(network, images, plan.spec, micro_batch=plan.training.micro_batch, device=device)


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
