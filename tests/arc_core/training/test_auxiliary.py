import pytest
import torch
from torch import nn
from torch.nn import functional

from arc_core.data.anatomy import vertical_cdr
from arc_core.experiments.spec import Architecture
from arc_core.training import catalogue
from arc_core.training.auxiliary import WithVcdr, last_linear, soft_vcdr
from arc_core.training.networks import build_network


def discs(count=6, side=48):
    """Masks (N, S, S) of a disc with a cup that grows."""
    y, x = torch.meshgrid(torch.arange(side) - side / 2, torch.arange(side) - side / 2, indexing="ij")
    radius = (1.2 * x**2 + y**2).sqrt()
    return torch.stack([(radius < 20).byte() + (radius < 3 + 3 * place).byte() for place in range(count)])


def one_hot(masks):
    return functional.one_hot(masks.long(), 3).movedim(-1, 1).float()


def test_the_soft_ratio_of_a_mask_is_its_vertical_cup_to_disc_ratio():
    masks = discs()
    assert soft_vcdr(one_hot(masks)).tolist() == pytest.approx([vertical_cdr(mask.numpy()) for mask in masks])


def test_the_soft_ratio_without_cup_or_disc_is_finite():
    empty = one_hot(torch.zeros(1, 8, 8))
    probabilities = empty.clone().requires_grad_()
    soft_vcdr(probabilities).sum().backward()
    assert soft_vcdr(empty) == 0
    assert torch.isfinite(probabilities.grad).all()


def test_a_segmentation_whose_cup_is_too_large_shrinks_it_until_the_ratio_is_right():
    y, x = torch.meshgrid(torch.arange(48) - 24, torch.arange(48) - 24, indexing="ij")
    radius = (1.2 * x**2 + y**2).sqrt()
    target = one_hot(discs()[2:3])  # a cup of radius 9
    joint = WithVcdr("segmentation", 0.4, nn.Identity())
    cup = torch.tensor(16.0, requires_grad=True)
    steps = torch.optim.SGD([cup], lr=5.0)

    for _ in range(150):
        steps.zero_grad()
        disc = 20.0 - radius
        logits = torch.stack([torch.zeros_like(disc), disc, disc + cup - radius])[None]
        joint(torch.zeros(()), logits, target, None).backward()
        steps.step()

    assert cup.item() == pytest.approx(9, abs=1)


@pytest.mark.parametrize("weight", [0.1, 0.4])
def test_the_task_keeps_the_rest_of_the_weight(weight):
    logits, target = torch.randn(6, 3, 48, 48), one_hot(discs())
    joint = WithVcdr("segmentation", weight, nn.Identity())

    at_zero, at_one = (float(joint(torch.tensor(value), logits, target, None)) for value in (0.0, 1.0))

    error = (soft_vcdr(logits.softmax(1)) - soft_vcdr(target)).abs().mean()
    assert at_one - at_zero == pytest.approx(1 - weight, rel=1e-5)
    assert at_zero == pytest.approx(weight * float(error), rel=1e-5)


@pytest.mark.parametrize("name", sorted(catalogue.networks("classification")))
def test_a_classifiers_head_learns_from_the_features_of_its_last_layer(name):
    torch.manual_seed(0)
    network = build_network("classification", Architecture(name=name, width=8, depth=3))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    joint = WithVcdr("classification", 0.4, network)
    assert network.state_dict().keys() == before.keys()
    assert last_linear(network).out_features == 1

    logits = network(torch.rand(4, 3, 32, 32))
    joint(logits.sum() * 0, logits, logits, torch.tensor([0.9, 0.1, 0.5, 0.7])).backward()

    learned = [parameter.grad for key, parameter in network.named_parameters() if "weight" in key]
    assert learned[0].abs().sum() > 0  # down to the first convolution
    assert joint.head.linear.weight.grad.abs().sum() > 0


def test_only_known_ratios_count_and_none_is_no_error():
    network = nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 1))
    joint = WithVcdr("classification", 0.4, network)
    images, nothing = torch.rand(4, 3), torch.full((4,), torch.nan)

    def error(vcdr):
        logits = network(images)
        value = joint(logits.sum() * 0, logits, logits, vcdr)
        joint.zero_grad()
        value.backward()
        return float(value.detach()) / 0.4

    half = torch.tensor([0.3, torch.nan, torch.nan, 0.8])
    with torch.no_grad():
        predicted = joint.head.linear(network[0](images)).sigmoid()[:, 0]
    expected = (predicted[[0, 3]] - half[[0, 3]]).abs().mean()
    assert error(half) == pytest.approx(float(expected), rel=1e-5)
    assert torch.isfinite(joint.head.linear.weight.grad).all()
    assert error(nothing) == 0
    assert joint.head.linear.weight.grad is not None  # DDP waits for it
