import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from arc_core.data.reader import read_image
from arc_core.errors import ArcError
from arc_core.experiments.vcdr_model import VcdrModel
from arc_core.training.ensemble import Ensemble
from arc_core.training.evaluator import evaluate
from arc_core.training.predictor import Predictor

MODEL = VcdrModel(intercept=-6.0, slope=10.0)


class Drawn(torch.nn.Module):
    """Sees background in every image, and one class in the middle."""

    def __init__(self, centre: int) -> None:
        super().__init__()
        self.centre = centre

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        logits = torch.zeros_like(images)
        logits[:, 0] = 9
        logits[:, self.centre, 8:24, 8:24] = 20
        return logits


@pytest.fixture(scope="module")
def finished(trained):
    plan, _ = trained
    result, _ = evaluate(plan)
    return Path(plan.run_dir), result.files


def test_a_prediction_has_the_size_of_its_image(finished):
    predictor = Predictor.load(*finished, vcdr_model=MODEL)

    prediction = predictor.predict(np.full((40, 90, 3), 128, np.uint8))

    assert prediction.mask.shape == (40, 90)
    assert set(np.unique(prediction.mask)) <= {0, 1, 2}
    assert prediction.disc_area_px == int((prediction.mask >= 1).sum())
    assert prediction.cup_area_px <= prediction.disc_area_px
    assert (prediction.vcdr is None) == (prediction.disc_area_px == 0) == (prediction.probability is None)


def test_an_eye_without_a_cup_has_a_probability_and_one_without_a_disc_has_none(finished):
    predictor = Predictor.load(*finished, vcdr_model=MODEL)
    image = np.full((32, 32, 3), 128, np.uint8)

    predictor.ensemble = Ensemble([Drawn(centre=1)], "unit")
    without_cup = predictor.predict(image)
    assert (without_cup.vcdr, without_cup.probability) == (0.0, MODEL.probability_of(0.0))

    predictor.ensemble = Ensemble([Drawn(centre=0)], "unit")
    without_disc = predictor.predict(image)
    assert (without_disc.vcdr, without_disc.probability) == (None, None)


def test_one_fold_alone_predicts_as_it_did_out_of_fold(trained, finished):
    plan, _ = trained
    predictor = Predictor.load(*finished)
    predictor.ensemble.networks = predictor.ensemble.networks[:1]

    for image_id in plan.split.held_out(0)[:3]:
        case = next(case for case in plan.dataset.cases if case.image_id == image_id)
        mask = predictor.predict(read_image(plan.dataset.image_path(case))).mask
        saved = np.asarray(Image.open(plan.fold_dir(0) / "masks" / f"{image_id}.png"))
        # Alone or in a batch, sums may round differently in the last bit.
        assert (mask != saved).mean() < 0.002


def test_a_swapped_model_is_not_loaded(finished, tmp_path):
    run_dir, files = finished
    shutil.copytree(run_dir, tmp_path / "run")
    shutil.copy(tmp_path / "run" / "fold-0" / "model.pt", tmp_path / "run" / "fold-1" / "model.pt")

    with pytest.raises(ArcError, match=r"fold-1/model\.pt is not the file"):
        Predictor.load(tmp_path / "run", files)

    (tmp_path / "run" / "fold-1" / "model.pt").unlink()
    with pytest.raises(ArcError, match=r"fold-1/model\.pt is missing"):
        Predictor.load(tmp_path / "run", files)
