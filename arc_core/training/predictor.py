"""A finished experiment at work on new images: the mean of its fold models."""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch

from arc_core.data.anatomy import vertical_cdr
from arc_core.data.reader import Pixels, to_square
from arc_core.errors import ArcError
from arc_core.experiments.result import VcdrModel
from arc_core.experiments.spec import ExperimentSpec
from arc_core.provenance.canonical import sha256_of_file
from arc_core.training.fold import MODEL
from arc_core.training.frames import to_tensor
from arc_core.training.networks import build_network
from arc_core.training.normalisation import normalise
from arc_core.training.plan import PLAN, TrainingPlan
from arc_core.training.reading import mask_of, probabilities_of
from arc_core.training.vcdr import probability_of


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What is said of one image. None: the task doesn't say it, or no disc was found."""

    mask: Pixels | None
    """(H, W) uint8 in the image's own frame: 0 background, 1 rim, 2 cup."""
    probability: float | None
    """Of glaucoma."""
    vcdr: float | None = None

    @property
    def disc_area_px(self) -> int | None:
        return None if self.mask is None else int((self.mask >= 1).sum())

    @property
    def cup_area_px(self) -> int | None:
        return None if self.mask is None else int((self.mask == 2).sum())


class Predictor:
    """Holds one network per fold, on the CPU."""

    def __init__(
        self, spec: ExperimentSpec, networks: list[torch.nn.Module], vcdr_model: VcdrModel | None
    ) -> None:
        self.spec = spec
        self.networks = networks
        self.vcdr_model = vcdr_model

    @classmethod
    def load(
        cls, run_dir: Path, files: Mapping[str, str], *, vcdr_model: VcdrModel | None = None, threads: int = 1
    ) -> Self:
        """The networks of `run_dir`. `files`: the recorded `Result.files`, path → SHA-256.

        ArcError when a file is missing, or is not the one that was recorded.
        """
        torch.set_num_threads(threads)
        _check(run_dir, PLAN, files)
        plan = TrainingPlan.model_validate_json((run_dir / PLAN).read_bytes())
        names = [f"fold-{fold}/{MODEL}" for fold in range(plan.split.folds)]
        for name in names:
            _check(run_dir, name, files)
        return cls(plan.spec, [_network(run_dir / name, plan.spec) for name in names], vcdr_model)

    def predict(self, image: Pixels) -> Prediction:
        """`image` is uint8 (H, W, 3), RGB, of any size."""
        probabilities = self._probabilities(image)
        if self.spec.task == "classification":
            return Prediction(mask=None, probability=float(probabilities[0]))
        mask = mask_of(probabilities, image.shape[0], image.shape[1])
        vcdr = vertical_cdr(mask)
        probability = None if self.vcdr_model is None else probability_of(self.vcdr_model, vcdr)
        return Prediction(mask=mask, probability=probability, vcdr=vcdr)

    def _probabilities(self, image: Pixels) -> torch.Tensor:
        """Mean over the folds: (3, S, S) or (1,)."""
        square = torch.from_numpy(to_tensor(to_square(image, self.spec.image_size_px)))
        batch = normalise(square[None].float() / 255, self.spec.normalisation)
        with torch.inference_mode():
            parts = [probabilities_of(network(batch))[0] for network in self.networks]
        return torch.stack(parts).mean(dim=0)


CURE = "restore it from a backup"


def needed_of(files: Mapping[str, str]) -> dict[str, str]:
    """Of the recorded files those that `Predictor.load` reads."""
    return {name: sha for name, sha in files.items() if name.rpartition("/")[2] in (PLAN, MODEL)}


def _check(run_dir: Path, name: str, files: Mapping[str, str]) -> None:
    path = run_dir / name
    if not path.is_file():
        raise ArcError(f"{path} is missing, and {run_dir.name} can't predict without it; {CURE}")
    if files.get(name) != sha256_of_file(path):
        raise ArcError(f"{path} is not the file that was recorded with the result of {run_dir.name}; {CURE}")


def _network(path: Path, spec: ExperimentSpec) -> torch.nn.Module:
    network = build_network(spec.task, spec.architecture)
    network.load_state_dict(torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True))
    return network.eval()
