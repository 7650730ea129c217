import pytest
import torch
from torch.nn import functional

from arc_core.experiments.spec import Loss
from arc_core.training import catalogue
from arc_core.training.losses import build_loss

LOSSES = [(task, name) for task in ("segmentation", "classification") for name in catalogue.losses(task)]


def case_of(task):
    """A target, and logits that are sure of it."""
    torch.manual_seed(0)
    if task == "segmentation":
        target = functional.one_hot(torch.randint(0, 3, (2, 16, 16)), 3).movedim(-1, 1).float()
    else:
        target = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    return target, 8 * (2 * target - 1)


@pytest.mark.parametrize(("task", "name"), sorted(LOSSES))
def test_a_loss_prefers_the_right_answer(task, name):
    loss = build_loss(task, Loss(name=name), counts=(6, 2) if task == "classification" else ())
    target, right = case_of(task)

    unsure = torch.zeros_like(right)
    assert loss(right, target) < loss(unsure, target) < loss(-right, target)


@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize(("task", "name"), sorted(LOSSES))
def test_a_loss_has_finite_gradients(task, name, scale):
    loss = build_loss(task, Loss(name=name), counts=(6, 2) if task == "classification" else ())
    target, _ = case_of(task)
    logits = (scale * torch.randn(target.shape)).requires_grad_()

    loss(logits, target).backward()

    assert torch.isfinite(logits.grad).all()


def test_a_balanced_loss_weighs_the_rarer_class_more():
    loss = build_loss("classification", Loss(name="weighted_bce"), counts=(9, 3))
    missed_positive = loss(torch.tensor([[-2.0]]), torch.tensor([[1.0]]))
    missed_negative = loss(torch.tensor([[2.0]]), torch.tensor([[0.0]]))

    assert missed_positive / missed_negative == pytest.approx(3)


def test_tverskys_beta_weighs_what_is_missed():
    target = torch.zeros(1, 3, 8, 8)
    target[:, 0, :, :4] = target[:, 2, :, 4:] = 1
    too_little, too_much = target.clone(), target.clone()
    too_little[:, :, :, 4:6] = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    too_much[:, :, :, 2:4] = torch.tensor([0, 0, 1.0]).view(1, 3, 1, 1)
    loss = build_loss("segmentation", Loss(name="tversky", params={"alpha": 0.1, "beta": 0.9}), counts=())

    assert loss(20 * too_little, target) > loss(20 * too_much, target)
