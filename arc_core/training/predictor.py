"""A finished experiment at work on new images: the mean of its fold models."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import torch

from arc_core.data.reader import Pixels
from arc_core.errors import ArcError
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.vcdr_model import VcdrModel
from arc_core.provenance.canonical import sha256_of_file
from arc_core.training.ensemble import Ensemble
from arc_core.training.fold import MODEL
from arc_core.training.networks import build_network
from arc_core.training.plan import PLAN, TrainingPlan
from arc_core.training.reading import Prediction, input_of, prediction_of


class Predictor:
    """Holds one network per fold, on the CPU."""

    def __init__(self, spec: ExperimentSpec, ensemble: Ensemble, vcdr_model: VcdrModel | None) -> None:
        self.spec = spec
        self.ensemble = ensemble
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
        networks = [_network(run_dir / name, plan.spec) for name in names]
        return cls(plan.spec, Ensemble(networks, plan.spec.normalisation), vcdr_model)

    def predict(self, image: Pixels) -> Prediction:
        """`image` is uint8 (H, W, 3), RGB, of any size."""
        with torch.inference_mode():
            (probabilities,) = self.ensemble(input_of(image, self.spec.image_size_px)[None])
        return prediction_of(probabilities, image.shape[0], image.shape[1], self.vcdr_model)


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
    try:
        weights = torch.load(io.BytesIO(path.read_bytes()), map_location="cpu", weights_only=True)
        network.load_state_dict(weights)
    except Exception as error:  # torch.load has no common root for what damage raises
        raise ArcError(f"{path} holds no weights of {spec.architecture.name}: {error}; {CURE}") from error
    return network.eval()
