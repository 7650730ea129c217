"""From the photographs of a micro-batch to what the network sees, and what the loss compares with."""

import torch

from arc_core.experiments.spec import ExperimentSpec
from arc_core.training.augmentation import augment
from arc_core.training.batches import Batch
from arc_core.training.chance import generator
from arc_core.training.frames import CLASSES
from arc_core.training.normalisation import normalise


def prepared(batch: Batch, spec: ExperimentSpec, fold: int) -> Batch:
    """Augmented and normalised, in float32, on the batch's device. What is drawn follows from its place."""
    masks = batch.targets[:, None].float() if spec.task == "segmentation" else None
    drawn = generator(spec.seed, fold, batch.epoch, batch.number, "augmentation")
    images, masks = augment(batch.images.float().div_(255), masks, spec.augmentation, drawn)
    targets = as_target(batch.targets if masks is None else masks[:, 0], spec)
    return batch._replace(images=normalise(images, spec.normalisation), targets=targets)


def as_target(targets: torch.Tensor, spec: ExperimentSpec) -> torch.Tensor:
    """What a loss compares logits with: one-hot (B, 3, S, S), or (B, 1) of 0 and 1, in float32."""
    if spec.task == "classification":
        return targets[:, None].float()
    classes = torch.arange(CLASSES, device=targets.device, dtype=targets.dtype).view(1, -1, 1, 1)
    planes = torch.empty(len(targets), CLASSES, *targets.shape[1:], device=targets.device)
    # Compared into float32 at once, in a tenth of the time; one_hot would make int64 of it first.
    return torch.eq(targets[:, None], classes, out=planes)
