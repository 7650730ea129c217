"""What a classification rests on: Grad-CAM of the last convolutional stage (Selvaraju et al., ICCV 2017)."""

from copy import deepcopy
from pathlib import Path

import torch
from monai.visualize.class_activation_maps import GradCAM
from PIL import Image
from torch import nn

from arc_core.data.reader import write_png
from arc_core.experiments.spec import ExperimentSpec
from arc_core.training import catalogue
from arc_core.training.dri import measures_dri
from arc_core.training.fold import CAMS
from arc_core.training.frames import Frames
from arc_core.training.normalisation import normalise
from arc_core.training.plan import TrainingPlan


def relevance_maps(
    network: nn.Module, images: torch.Tensor, spec: ExperimentSpec, micro_batch: int
) -> torch.Tensor:
    """How much each place speaks for the class that `network` gives the image, for uint8 images (N, 3, S, S).

    Float maps (N, S, S) on the CPU, each with maximum 1; 0 everywhere where no place speaks for the class.
    The network's file names the stage as `CAM_LAYER`. `network` is left as it is.
    """
    layer = catalogue.load("networks", spec.task, spec.architecture.name).CAM_LAYER
    # A copy: MONAI hooks into the layer for good, and the backward pass fills gradients.
    decision = _Decision(deepcopy(network)).eval()
    cam = GradCAM(decision, f"network.{layer}", postprocessing=_to_unit)
    device = next(decision.parameters()).device
    parts = [
        cam(normalise(part.to(device).float() / 255, spec.normalisation), class_idx=0)[:, 0].detach().cpu()
        for part in torch.split(images, micro_batch)
    ]
    return torch.cat(parts)


def write_relevance(
    plan: TrainingPlan, folder: Path, network: nn.Module, frames: Frames, held_out: torch.Tensor
) -> None:
    """`cams/<image_id>.png` (S, S) of 0 to 255 for each of the held-out cases whose DRI is measured."""
    measured = [place for place in held_out.tolist() if measures_dri(plan, frames.cases[place])]
    if not measured:
        return
    (folder / CAMS).mkdir()
    maps = relevance_maps(network, frames.images[measured], plan.spec, plan.training.micro_batch)
    for place, values in zip(measured, (maps * 255).round().byte().numpy(), strict=True):
        write_png(folder / CAMS / f"{frames.cases[place].image_id}.png", Image.fromarray(values))


class _Decision(nn.Module):
    """The logit of the class it decides for: of glaucoma, z; of its absence, −z."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # One column, so that MONAI need not choose: its own choice mixes the classes of a batch.
        logits: torch.Tensor = self.network(images)
        return logits.abs()


def _to_unit(maps: torch.Tensor) -> torch.Tensor:
    """Each map (B, 1, S, S), none negative, over its own maximum."""
    peaks = maps.amax(dim=(2, 3), keepdim=True)
    return maps / torch.where(peaks > 0, peaks, 1.0)
