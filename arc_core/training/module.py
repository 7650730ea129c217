"""The Lightning module: one network learning one fold."""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule

from arc_core.errors import ExperimentFailed
from arc_core.experiments.result import Point
from arc_core.experiments.spec import ExperimentSpec
from arc_core.training import ranks
from arc_core.training.auxiliary import WithVcdr
from arc_core.training.batches import Batch, EpochBatches
from arc_core.training.chance import reseed
from arc_core.training.curriculum import active_share
from arc_core.training.divergence import divergence
from arc_core.training.frames import Frames
from arc_core.training.losses import build_loss
from arc_core.training.networks import build_network
from arc_core.training.normalisation import normalise
from arc_core.training.optimisation import build_optimiser, build_schedule
from arc_core.training.plan import TrainingPlan
from arc_core.training.preparation import as_target, prepared
from arc_core.training.strategy import resolved_precision

_CURVE_POINTS = 10
_EPOCHS_PER_POINT = 3
"""The held-out loss is looked at for the learning curve and nothing else, so it must stay cheap."""

_CHECK_EVERY = 50  # micro-batches; to look at a loss waits for the device


class FoldModule(LightningModule):  # type: ignore[misc]  # lightning is skipped by mypy
    """Trains on `training`; the last epoch's weights are the result, whatever the held-out loss says."""

    def __init__(
        self,
        plan: TrainingPlan,
        fold: int,
        training: EpochBatches,
        held_out: torch.Tensor,
        on_epoch: Callable[[Point], None],
    ) -> None:
        super().__init__()
        self.plan, self.spec = plan, plan.spec
        self.fold = fold
        self.training_batches = training
        self.frames: Frames = training.frames
        self.held_out = held_out
        self.on_epoch = on_epoch
        self.weights: dict[str, torch.Tensor] = {}
        self.curve: list[Point] = []
        self.train_s = self.before_s = 0.0
        self._began = time.perf_counter()
        spec, options = self.spec, plan.training
        self.network = build_network(spec.task, spec.architecture, channels_last=options.channels_last)
        self.loss = build_loss(spec.task, spec.loss, self._class_counts(), spec.class_weighting)
        weight = spec.auxiliary.vcdr_weight
        self.auxiliary = WithVcdr(spec.task, weight, self.network) if weight else None
        ranks.remember_for_all(self.network)
        if options.compile:
            self.network.compile()  # in place: the names of the weights stay what they are
        self._watched = watched_epochs(spec.epochs)
        self._losses: list[torch.Tensor] = []
        self._epoch_started: float | None = None  # None: between epochs
        self._left: dict[str, Any] | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Normalised images (B, 3, S, S) to logits in float32."""
        logits: torch.Tensor = self.network(images)
        return logits.float()

    def on_after_batch_transfer(self, batch: Batch, loader: int) -> Batch:
        """A GPU prepares its own: bytes take a quarter of the time to get there."""
        return prepared(batch, self.spec, self.fold)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        reseed(self.device, self.spec.seed, self.fold, batch.epoch, batch.number, "dropout")
        logits = self(batch.images)
        loss: torch.Tensor = self.loss(logits, batch.targets)
        self._losses.append(loss.detach())
        if len(self._losses) % _CHECK_EVERY == 0:
            self._need_finite(float(torch.stack(self._losses[-_CHECK_EVERY:]).mean()))
        return loss if self.auxiliary is None else self.auxiliary(loss, logits, batch.targets, batch.vcdr)

    def configure_optimizers(self) -> dict[str, Any]:
        scaled = self.spec.optimiser.model_copy(update={"lr": self.plan.training.lr})
        optimiser = build_optimiser(scaled, self.parameters(), fused=self._may_fuse())
        steps = self.training_batches.steps * self.spec.epochs
        schedule = build_schedule(self.spec.model_copy(update={"optimiser": scaled}), optimiser, steps)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _may_fuse(self) -> bool:
        """A fused step unscales fp16's gradients itself, before they could be clipped, wherefore Lightning
        clips under no mixed precision where there is one; ZeRO has its own.
        """
        clipped = self.plan.training.gradient_clip > 0
        precision = resolved_precision(self.plan)
        return self.plan.deepspeed is None and (precision == "fp32" or (precision == "bf16" and not clipped))

    def on_train_start(self) -> None:
        """Amid an epoch, each process takes up what was its own; the rest is back by now."""
        if self._left is None:
            return
        left, mine = self._left, ranks.this()
        buffers = dict(self.network.named_buffers())
        for name, each in left["statistics"].items():
            buffers[name].copy_(each[mine])
        if left["losses"] is not None:
            self._losses.extend(left["losses"][mine].to(self.device))
        self.training_batches.share = left["share"]
        self._epoch_started, self._left = time.perf_counter(), None

    def on_train_epoch_start(self) -> None:
        self._epoch_started = time.perf_counter()
        self._losses.clear()
        losses = [point.train_loss for point in self.curve]
        self.training_batches.share = active_share(
            self.spec.curriculum, self.current_epoch, self.spec.epochs, losses
        )

    def on_train_epoch_end(self) -> None:
        train_loss = float(ranks.mean(torch.stack(self._losses).mean()))  # waits for the device
        assert self._epoch_started is not None
        self.train_s += time.perf_counter() - self._epoch_started
        self._epoch_started = None
        ranks.average_running_statistics(self.network)
        self._need_finite(train_loss)
        epoch = self.current_epoch + 1
        held_out_loss = self._held_out_loss() if epoch in self._watched else None
        point = Point(fold=self.fold, epoch=epoch, train_loss=train_loss, held_out_loss=held_out_loss)
        self.curve.append(point)
        if reason := divergence([each.train_loss for each in self.curve]):
            self._fail(reason)
        self.on_epoch(point)

    def on_train_end(self) -> None:
        """Here every process still has its part of the weights; afterwards the strategy puts it away."""
        if self.plan.deepspeed is not None:
            from arc_core.training.zero import full_weights

            self.weights = full_weights(self.network)
        else:
            state = self.network.state_dict()
            self.weights = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        now, began = time.perf_counter(), self._epoch_started
        checkpoint["arc"] = {
            "curve": [point.model_dump() for point in self.curve],
            "train_s": self.train_s + (0.0 if began is None else now - began),
            "total_s": self.before_s + now - self._began,
            "epoch": None if began is None else self._unfinished_epoch(),
        }

    def _unfinished_epoch(self) -> dict[str, Any]:
        """What the processes have each for itself until the epoch ends. Every one has to ask for it."""
        buffers = self.network.named_buffers()
        own = {name: each for name, each in buffers if ranks.count() > 1 and each.is_floating_point()}
        return {
            "share": self.training_batches.share,
            "losses": ranks.of_each(torch.stack(self._losses)) if self._losses else None,
            "statistics": {name: ranks.of_each(each) for name, each in own.items()},
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        kept = checkpoint["arc"]
        self.curve = [Point.model_validate(point) for point in kept["curve"]]
        self.train_s, self.before_s = kept["train_s"], kept["total_s"]
        self._left = kept.get("epoch")

    def _need_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            self._fail(f"the loss is {loss}")

    def _fail(self, reason: str) -> None:
        raise ExperimentFailed(
            f"the training diverged: {reason} in epoch {self.current_epoch + 1} of fold {self.fold}"
        )

    def _class_counts(self) -> tuple[int, ...]:
        """Of the training fold; the pixels of masks only where the loss weighs them."""
        if self.spec.task == "segmentation" and self.spec.class_weighting == "none":
            return ()
        return self.frames.class_counts(self.training_batches.positions)

    def _held_out_loss(self) -> float | None:
        """Mean over the cases, of micro-batches as in training: more would need memory of its own."""
        self.eval()
        total = torch.zeros((), device=self.device)
        mine, real = ranks.share(self.held_out)
        with torch.no_grad():
            for part in torch.split(mine, self.plan.training.micro_batch):
                images = self.frames.images[part].to(self.device).float() / 255
                logits = self(normalise(images, self.spec.normalisation))[: max(real, 0)]
                if len(logits):
                    targets = as_target(self.frames.targets[part].to(self.device), self.spec)[: len(logits)]
                    total += len(logits) * self.loss(logits, targets)
                real -= len(part)
        self.train()
        loss = float(ranks.mean(total)) * ranks.count() / len(self.held_out)
        return loss if math.isfinite(loss) else None


def predict_logits(
    network: torch.nn.Module,
    images: torch.Tensor,
    spec: ExperimentSpec,
    *,
    micro_batch: int,
    device: torch.device,
) -> torch.Tensor:
    """Logits of uint8 images (N, 3, S, S), evaluated. Each process predicts its share, and gets all."""
    network.eval().to(device)
    mine, _ = ranks.share(torch.arange(len(images)))
    parts = []
    with torch.no_grad():
        for part in torch.split(mine, micro_batch):
            seen = normalise(images[part].to(device).float() / 255, spec.normalisation)
            parts.append(network(seen).float())
    return ranks.gathered(torch.cat(parts), len(images)).cpu()


def watched_epochs(epochs: int) -> frozenset[int]:
    """Up to ten evenly spaced epochs, counted from 1, the last among them."""
    points = min(_CURVE_POINTS, max(epochs // _EPOCHS_PER_POINT, 1))
    return frozenset(round(epochs * (point + 1) / points) for point in range(points))
