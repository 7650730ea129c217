"""The Lightning module: one network learning one fold."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch.nn import functional

from arc_core.errors import ExperimentFailed
from arc_core.experiments.result import Point
from arc_core.experiments.spec import ExperimentSpec
from arc_core.training.augmentation import augment
from arc_core.training.auxiliary import WithVcdr
from arc_core.training.batches import Batch, EpochBatches
from arc_core.training.curriculum import active_share
from arc_core.training.frames import CLASSES, Frames
from arc_core.training.losses import build_loss
from arc_core.training.networks import build_network
from arc_core.training.normalisation import normalise
from arc_core.training.optimisation import build_optimiser, build_schedule

_CURVE_POINTS = 10
_EPOCHS_PER_POINT = 3
"""The held-out loss is looked at for the learning curve and nothing else, so it must stay cheap."""


class FoldModule(LightningModule):  # type: ignore[misc]  # lightning is skipped by mypy
    """Trains on `training`; the last epoch's weights are the result, whatever the held-out loss says."""

    def __init__(
        self,
        spec: ExperimentSpec,
        *,
        fold: int,
        training: EpochBatches,
        held_out: torch.Tensor,
        micro_batch: int,
        seed: int,
        on_epoch: Callable[[Point], None],
    ) -> None:
        super().__init__()
        self.spec = spec
        self.fold = fold
        self.training_batches = training
        self.frames: Frames = training.frames
        self.held_out = held_out
        self.micro_batch = micro_batch
        self.on_epoch = on_epoch
        self.train_s = 0.0
        self.network = build_network(spec.task, spec.architecture)
        self.loss = build_loss(spec.task, spec.loss, self._class_counts(), spec.class_weighting)
        weight = spec.auxiliary.vcdr_weight
        self.auxiliary = WithVcdr(spec.task, weight, self.network) if weight else None
        self.epoch_losses: list[float] = []
        """Means of the epochs so far: all that an adaptive curriculum goes by."""
        self._augmenting = torch.Generator().manual_seed(seed)
        self._watched = watched_epochs(spec.epochs)
        self._losses: list[torch.Tensor] = []
        self._epoch_started = 0.0

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """uint8 images (B, 3, S, S) to logits."""
        logits: torch.Tensor = self.network(normalise(images.float() / 255, self.spec.normalisation))
        return logits

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        masks = batch.targets[:, None].float() if self.spec.task == "segmentation" else None
        images, masks = augment(batch.images.float() / 255, masks, self.spec.augmentation, self._augmenting)
        target = as_target(batch.targets if masks is None else masks[:, 0], self.spec)
        logits = self.network(normalise(images, self.spec.normalisation))
        loss: torch.Tensor = self.loss(logits, target)
        self._losses.append(loss.detach())
        return loss if self.auxiliary is None else self.auxiliary(loss, logits, target, batch.vcdr)

    def configure_optimizers(self) -> dict[str, Any]:
        optimiser = build_optimiser(self.spec.optimiser, self.parameters())
        steps = self.training_batches.steps * self.spec.epochs
        schedule = build_schedule(self.spec, optimiser, steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_epoch_start(self) -> None:
        self._epoch_started = time.perf_counter()
        self._losses.clear()
        self.training_batches.share = active_share(
            self.spec.curriculum, self.current_epoch, self.spec.epochs, self.epoch_losses
        )

    def on_train_epoch_end(self) -> None:
        train_loss = float(torch.stack(self._losses).mean())  # waits for the device
        self.train_s += time.perf_counter() - self._epoch_started
        epoch = self.current_epoch + 1
        if not math.isfinite(train_loss):
            raise ExperimentFailed(
                f"the training diverged: the loss is {train_loss} in epoch {epoch} of fold {self.fold}"
            )
        self.epoch_losses.append(train_loss)
        held_out_loss = self._held_out_loss() if epoch in self._watched else None
        self.on_epoch(Point(fold=self.fold, epoch=epoch, train_loss=train_loss, held_out_loss=held_out_loss))

    def _class_counts(self) -> tuple[int, ...]:
        """Of the training fold; the pixels of masks only where the loss weighs them."""
        if self.spec.task == "segmentation" and self.spec.class_weighting == "none":
            return ()
        return self.frames.class_counts(self.training_batches.positions)

    def _held_out_loss(self) -> float | None:
        """Mean over the cases, of micro-batches as in training: more would need memory of its own."""
        self.eval()
        total = torch.zeros((), device=self.device)
        with torch.no_grad():
            for part in torch.split(self.held_out, self.micro_batch):
                logits = self(self.frames.images[part].to(self.device)).float()
                targets = as_target(self.frames.targets[part].to(self.device), self.spec)
                total += len(part) * self.loss(logits, targets)
        self.train()
        loss = float(total) / len(self.held_out)
        return loss if math.isfinite(loss) else None


def predict_logits(module: FoldModule, images: torch.Tensor, micro_batch: int) -> torch.Tensor:
    """Logits of uint8 images (N, 3, S, S), on the CPU, in evaluation mode."""
    module.eval()
    with torch.no_grad():
        parts = [module(part.to(module.device)).float().cpu() for part in torch.split(images, micro_batch)]
    return torch.cat(parts)


def as_target(targets: torch.Tensor, spec: ExperimentSpec) -> torch.Tensor:
    """What a loss compares logits with: one-hot (B, 3, S, S), or (B, 1) of 0 and 1, in float32."""
    if spec.task == "classification":
        return targets[:, None].float()
    return functional.one_hot(targets.long(), CLASSES).movedim(-1, 1).float()


def watched_epochs(epochs: int) -> frozenset[int]:
    """Up to ten evenly spaced epochs, counted from 1, the last among them."""
    points = min(_CURVE_POINTS, max(epochs // _EPOCHS_PER_POINT, 1))
    return frozenset(round(epochs * (point + 1) / points) for point in range(points))
