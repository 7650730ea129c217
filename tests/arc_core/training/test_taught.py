"""Real trainings with everything on: weighted classes, a curriculum, a second task."""

from pathlib import Path

import numpy as np
import pytest
import torch

from arc_core.experiments.result import Point
from arc_core.training.batches import EpochBatches
from arc_core.training.evaluator import evaluate
from arc_core.training.fitting import train_fold
from arc_core.training.fold import read_curve
from arc_core.training.frames import load_frames
from arc_core.training.module import FoldModule
from arc_core.training.predictor import Predictor
from arc_core.training.process import run_worker

pytestmark = [
    # lightning 2.6 asks torch's pytree in a way that torch 2.13 has deprecated
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated"),
]

TAUGHT = {
    "auxiliary__vcdr_weight": 0.4,
    "curriculum__pacing": "adaptive",
    "curriculum__by": "difficulty",
    "curriculum__start_share": 0.3,
    "class_weighting": "effective_number",
}
PLAIN = {
    "auxiliary__vcdr_weight": 0.0,
    "curriculum__pacing": "none",
    "class_weighting": "none",
}


@pytest.mark.parametrize(
    ("task", "loss"), [("segmentation", "compound"), ("classification", "cross_entropy")]
)
def test_a_worker_trains_with_everything_on_and_its_networks_predict(planner, tmp_path, task, loss):
    plan = planner(tmp_path, task, loss__name=loss, loss__params={}, **TAUGHT)

    run_worker(plan, on_event=lambda event: None)

    result, cases = evaluate(plan)
    assert len(cases) == 20
    assert [point.epoch for point in read_curve(plan, 0)] == [1, 2, 3]
    predictor = Predictor.load(Path(plan.run_dir), result.files)
    probability = predictor.predict(np.full((50, 60, 3), 90, np.uint8)).probability
    assert (probability is not None) == (task == "classification")


def curve_of(plan):
    frames = load_frames(plan.dataset, plan.spec.task, plan.spec.image_size_px)
    train_fold(plan, 0, frames, startup_s=0, on_epoch=lambda point: None)
    return [(point.train_loss, point.held_out_loss) for point in read_curve(plan, 0)]


@pytest.mark.usefixtures("one_quiet_thread")
def test_each_lesson_changes_what_is_learned_and_repeats(planner, tmp_path):
    def curve(name, **changes):
        return curve_of(planner(tmp_path / name, **{**PLAIN, **changes}))

    plain = curve("plain")
    for field, value in TAUGHT.items():
        if field in PLAIN:
            assert curve(field, **{field: value}) != plain, field
    assert curve("all", **TAUGHT) == curve("again", **TAUGHT)


@pytest.mark.usefixtures("one_quiet_thread")
@pytest.mark.parametrize(
    ("pacing", "full_by", "losses", "expected"),
    [
        ("linear", 0.5, [], [0.2, 0.6, 1.0, 1.0]),
        ("adaptive", 1.0, [1.0, 0.75, 0.9], [0.2, 0.2, 0.6, 0.6]),
    ],
)
def test_an_epochs_share_follows_from_its_number_and_the_losses_so_far(
    planner, tmp_path, monkeypatch, pacing, full_by, losses, expected
):
    """All that a resumed training has to bring back is its curve."""
    paced = {"curriculum__pacing": pacing, "curriculum__start_share": 0.2, "curriculum__full_by": full_by}
    plan = planner(tmp_path, epochs=4, **paced)
    frames = load_frames(plan.dataset, plan.spec.task, plan.spec.image_size_px)
    training = EpochBatches(frames, torch.arange(10), 5, 1, 0)
    module = FoldModule(plan, 0, training, torch.arange(10, 20), lambda point: None)
    for epoch, share in enumerate(expected):
        monkeypatch.setattr(FoldModule, "current_epoch", epoch)
        module.curve = [
            Point(fold=0, epoch=before, train_loss=loss) for before, loss in enumerate(losses[:epoch], 1)
        ]
        module.on_train_epoch_start()
        assert training.share == pytest.approx(share)
