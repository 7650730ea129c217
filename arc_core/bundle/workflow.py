"""A bundle at work: from a folder of photographs to predictions, without the rest of ARC.

Goes into the bundle as `scripts/workflow.py`, together with what it imports; `configs/inference.json` puts
its parts together.
"""

import hashlib
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import torch
from torch import nn

from arc_core.data.reader import Pixels
from arc_core.errors import ArcError
from arc_core.experiments.vcdr_model import VcdrModel
from arc_core.training.prediction import Predicted, check_out, predict_folder
from arc_core.training.reading import Prediction, input_of, prediction_of


def load_network(path: str, sha256: str) -> nn.Module:
    """The exported network: float images (B, 3, S, S) in [0, 1] to probabilities, see `metadata.json`.

    ArcError when the file is not the one of that SHA-256: a changed one could run any code when it is read.
    """
    content = Path(path).read_bytes()
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise ArcError(f"{path} has changed since it was exported: SHA-256 {found}, expected {sha256}")
    return Exported(torch.export.load(io.BytesIO(content)).module())


class Exported(nn.Module):
    """An exported program in the manners of any other network."""

    def __init__(self, program: nn.Module) -> None:
        super().__init__()
        self.program = program

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        probabilities: torch.Tensor = self.program(images)
        return probabilities

    def train(self, mode: bool = True) -> Self:
        """Changes nothing: an exported program only predicts, and raises where it is set to either mode."""
        return self


class Preprocessing:
    """An image, uint8 (H, W, 3), RGB, of any size, as the network takes it: float (3, S, S) in [0, 1]."""

    def __init__(self, size_px: int) -> None:
        self.size_px = size_px

    def __call__(self, image: Pixels) -> torch.Tensor:
        return input_of(image, self.size_px)


class Postprocessing:
    """What is said of an image: its mask, vCDR and probability of glaucoma.

    `vcdr_model`: how a vCDR becomes a probability; without it a segmentation gives none.
    """

    def __init__(self, vcdr_model: dict[str, float] | None = None) -> None:
        self.vcdr_model = None if vcdr_model is None else VcdrModel.model_validate(vcdr_model)

    def __call__(self, probabilities: torch.Tensor, height_px: int, width_px: int) -> Prediction:
        return prediction_of(probabilities.cpu(), height_px, width_px, self.vcdr_model)


class Evaluator:
    """Predicts a folder of photographs; `predict` takes a single one."""

    def __init__(
        self,
        *,
        dataset: Sequence[tuple[str, Path]],
        network: nn.Module,
        device: torch.device,
        preprocessing: Preprocessing,
        inferer: Callable[[torch.Tensor, nn.Module], torch.Tensor],
        postprocessing: Postprocessing,
        output_dir: str,
        metadata: str,
    ) -> None:
        """`dataset`: image_id and file of each image. `metadata`: the bundle's own file."""
        self.images = dict(dataset)
        self.network, self.device = network.to(device), device
        self.preprocessing, self.inferer, self.postprocessing = preprocessing, inferer, postprocessing
        self.output_dir = Path(output_dir)
        said = json.loads(Path(metadata).read_text(encoding="utf-8"))
        self.about = f"{said['description']}\n{said['intended_use']}\n"

    def predict(self, image: Pixels) -> Prediction:
        """`image` is uint8 (H, W, 3), RGB, of any size."""
        with torch.inference_mode():
            batch = self.preprocessing(image)[None].to(self.device)
            (probabilities,) = self.inferer(batch, self.network)
        return self.postprocessing(probabilities, image.shape[0], image.shape[1])

    def run(self) -> Predicted:
        """Writes `predictions.csv`, `about.txt`, and for a segmentation `masks/` and `overlays/`.

        ArcError names the images that could not be read, after all others are predicted.
        """
        check_out(next(iter(self.images.values())).parent, self.output_dir)
        predicted = predict_folder(
            self.predict, self.images, self.output_dir, self.about, lambda image_id: None
        )
        if predicted.unreadable:
            raise ArcError("images that could not be read: " + " | ".join(predicted.unreadable.values()))
        return predicted
