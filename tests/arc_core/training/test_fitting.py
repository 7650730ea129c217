"""Training within this process: what is learned, and what is refused."""

from pathlib import Path

import pytest
import torch

from arc_core.agents.forbidden import cause_of
from arc_core.errors import ExperimentFailed
from arc_core.experiments.metric import OF_TASK
from arc_core.experiments.result import Result
from arc_core.training.batches import EpochBatches
from arc_core.training.evaluator import evaluate
from arc_core.training.fitting import train_fold
from arc_core.training.frames import load_frames
from arc_core.training.module import FoldModule, predict_logits
from arc_core.training.plan import TrainingPlan
from arc_core.training.preparation import as_target

pytestmark = [
    pytest.mark.usefixtures("one_quiet_thread"),
    # lightning 2.6 asks torch's pytree in a way that torch 2.13 has deprecated
    pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec.` is deprecated"),
]


def trained_here(plan: TrainingPlan) -> Result:
    frames = load_frames(plan.dataset, plan.spec.task, plan.spec.image_size_px)
    for fold in range(plan.split.folds):
        train_fold(plan, fold, frames, startup_s=0, on_epoch=lambda point: None)
    plan.path.write_text(plan.model_dump_json())
    return evaluate(plan)[0]


def test_a_good_training_scores_clearly_over_a_poor_one(planner, tmp_path):
    poor = trained_here(planner(tmp_path / "poor", epochs=1))
    good = trained_here(planner(tmp_path / "good", epochs=40, optimiser__lr=5e-3))

    assert good.metrics["mean_dice"].low > poor.metrics["mean_dice"].high
    assert good.metrics["vcdr_mae"].value < poor.metrics["vcdr_mae"].value


def test_a_classifier_gives_every_case_a_probability(planner, tmp_path):
    plan = planner(tmp_path, "classification", normalisation="contrast", architecture__dropout=0.2)

    result = trained_here(plan)

    assert set(result.metrics) == set(OF_TASK["classification"])
    assert result.vcdr_model is None
    assert not list(Path(plan.run_dir).glob("fold-*/masks"))


@pytest.mark.parametrize("lr", [1e18, 1e30])
def test_a_training_that_diverges_fails_and_seals_nothing(planner, tmp_path, lr):
    plan = planner(tmp_path, optimiser__name="sgd", optimiser__lr=0.1)
    plan = plan.model_copy(update={"training": plan.training.model_copy(update={"lr": lr})})
    frames = load_frames(plan.dataset, "segmentation", plan.spec.image_size_px)

    with pytest.raises(ExperimentFailed, match=r"diverged.*fold 0|not finite") as failed:
        train_fold(plan, 0, frames, startup_s=0, on_epoch=lambda point: None)

    assert cause_of(str(failed.value)) == "diverged"
    assert not (plan.fold_dir(0) / "done.json").exists()


def test_the_held_out_loss_is_the_mean_over_its_cases_in_micro_batches(planner, tmp_path):
    plan = planner(tmp_path, loss__name="focal", batch_size=4)
    frames = load_frames(plan.dataset, "segmentation", plan.spec.image_size_px)
    points = []
    held_out = frames.positions(plan.split.held_out(0))
    training = EpochBatches(frames, frames.positions(plan.split.training(0)), 4, 1, 0)
    module = FoldModule(plan, 0, training, held_out, points.append)
    sizes = []
    module.loss.register_forward_hook(lambda loss, inputs, value: sizes.append(len(inputs[0])))

    found = module._held_out_loss()

    assert sizes == [4, 4, 2]
    device = torch.device("cpu")
    logits = predict_logits(module.network, frames.images[held_out], plan.spec, micro_batch=4, device=device)
    whole = module.loss(logits, as_target(frames.targets[held_out], plan.spec))
    assert found == pytest.approx(float(whole), rel=1e-5)


def test_gradients_of_micro_batches_add_up_to_the_batch(planner, tmp_path):
    # Instance norm, a loss that is a plain mean, a step in proportion to the gradient, and no chance.
    changes = {
        "architecture__name": "basic_unet",
        "loss__name": "focal",
        "optimiser__name": "sgd",
        "optimiser__lr": 0.1,
        "augmentation__flip": False,
        "augmentation__rotation_deg": 0,
        "augmentation__noise_sigma": 0,
        "batch_size": 10,
        "epochs": 1,
    }
    whole = planner(tmp_path / "whole", **changes)
    parts = planner(tmp_path / "parts", batch_size_per_gpu=2, **changes)
    assert (parts.training.micro_batch, parts.training.accumulate) == (2, 5)
    weights = []
    for plan in (whole, parts):
        frames = load_frames(plan.dataset, "segmentation", plan.spec.image_size_px)
        train_fold(plan, 0, frames, startup_s=0, on_epoch=lambda point: None)
        weights.append(torch.load(plan.fold_dir(0) / "model.pt", weights_only=True))

    for name, tensor in weights[0].items():
        assert torch.allclose(tensor, weights[1][name], atol=1e-5), name
