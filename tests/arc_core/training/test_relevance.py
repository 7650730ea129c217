"""Grad-CAM through MONAI, against networks whose class activation map is known in closed form."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional

from arc_core.experiments.spec import parse_spec
from arc_core.training import catalogue
from arc_core.training.frames import load_frames
from arc_core.training.networks import build_network
from arc_core.training.normalisation import normalise
from arc_core.training.relevance import relevance_maps, write_relevance
from tests.arc_core.training.conftest import CLASSIFICATION

SIZE = 64


def spec_of(name: str):
    return parse_spec(CLASSIFICATION).changed({"architecture.name": name, "image_size_px": SIZE})


def network_of(name: str, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    network = build_network("classification", spec_of(name).architecture)
    with torch.no_grad():  # a few batches, so that batch norm has statistics to work with
        for _ in range(20):
            network(normalise(photographs(8).float() / 255, "standardise"))
    return network.eval()


def photographs(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    coarse = torch.rand(count, 3, 8, 8, generator=generator)
    return (functional.interpolate(coarse, size=(SIZE, SIZE), mode="bilinear") * 255).byte()


def activations(network: torch.nn.Module, layer: str, images: torch.Tensor):
    """What the layer gives for the images, and their logits."""
    kept = []
    hook = network.get_submodule(layer).register_forward_hook(lambda module, given, gave: kept.append(gave))
    logits = network(normalise(images.float() / 255, "standardise"))
    hook.remove()
    return kept[0].detach(), logits[:, 0].detach()


def last_linear(network: torch.nn.Module) -> torch.Tensor:
    return [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1].weight[0].detach()


def centred(network: torch.nn.Module, images: torch.Tensor) -> None:
    """Shift the bias so that the network calls half of the images glaucoma."""
    linear = [m for m in network.modules() if isinstance(m, torch.nn.Linear)][-1]
    with torch.no_grad():
        linear.bias -= network(normalise(images.float() / 255, "standardise")).median()


@pytest.mark.parametrize("name", ["resnet", "densenet"])
def test_where_pooling_feeds_one_linear_layer_it_is_the_class_activation_map(name):
    """Σₖ wₖ Aₖ of Zhou et al. (CVPR 2016); Selvaraju et al. show that Grad-CAM generalises it. One batch
    holds images of both classes, and each gets the map of its own."""
    network, images = network_of(name), photographs(9)
    centred(network, images)
    layer = catalogue.load("networks", "classification", name).CAM_LAYER
    found, logits = activations(network, layer, images)
    assert (logits > 0).any()
    assert (logits < 0).any()
    weighted = torch.einsum("k,bkhw->bhw", last_linear(network), found.relu())
    closed = functional.relu(weighted * logits.sign()[:, None, None])
    closed = functional.interpolate(closed[:, None], size=(SIZE, SIZE), mode="bilinear")[:, 0]
    closed = closed / closed.amax(dim=(1, 2), keepdim=True).clamp_min(1e-12)

    maps = relevance_maps(network, images, spec_of(name), micro_batch=9)

    assert torch.allclose(maps, closed, atol=1e-4)
    assert maps.amax(dim=(1, 2)).max() == 1


@pytest.mark.parametrize("name", sorted(catalogue.networks("classification")))
def test_every_network_has_a_map_whatever_the_batch(name):
    network, images = network_of(name), photographs(5)
    together = relevance_maps(network, images, spec_of(name), micro_batch=5)
    alone = relevance_maps(network, images, spec_of(name), micro_batch=2)
    assert together.shape == (5, SIZE, SIZE)
    assert ((together >= 0) & (together <= 1)).all()
    assert together.std(dim=(1, 2)).max() > 0
    assert torch.allclose(together, alone, atol=1e-4)


@pytest.mark.parametrize("name", sorted(catalogue.networks("classification")))
def test_looking_leaves_the_network_as_it_was(name):
    network, images = network_of(name), photographs(2)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    answer = network(normalise(images.float() / 255, "standardise"))

    relevance_maps(network, images, spec_of(name), micro_batch=2)

    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(m._backward_hooks or m._forward_hooks for m in network.modules())
    assert torch.equal(network(normalise(images.float() / 255, "standardise")), answer)


def test_a_network_that_sees_nothing_has_an_empty_map():
    network = network_of("resnet")
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    assert (relevance_maps(network, photographs(2), spec_of("resnet"), micro_batch=2) == 0).all()


def test_maps_are_written_for_held_out_cases_with_a_mask(planner, tmp_path):
    plan = planner(tmp_path, "classification", image_size_px=SIZE)
    first, *others = plan.dataset.cases
    without = plan.dataset.model_copy(update={"cases": (first.model_copy(update={"mask": None}), *others)})
    plan = plan.model_copy(update={"dataset": without})
    frames = load_frames(without, "classification", SIZE)
    network = network_of("resnet")
    held_out = torch.arange(4)

    write_relevance(plan, tmp_path, network, frames, held_out)

    written = sorted(path.stem for path in (tmp_path / "cams").iterdir())
    assert written == [case.image_id for case in others[:3]]
    maps = relevance_maps(network, frames.images[1:4], plan.spec, plan.training.micro_batch)
    for name, expected in zip(written, maps.numpy(), strict=True):
        pixels = np.asarray(Image.open(tmp_path / "cams" / f"{name}.png"))
        assert pixels.dtype == np.uint8
        assert np.allclose(pixels / 255, expected, atol=0.003)


@pytest.mark.parametrize("task", ["segmentation", "classification"])
def test_without_masks_to_compare_with_nothing_is_written(planner, tmp_path, task):
    plan = planner(tmp_path, task, image_size_px=SIZE)
    if task == "classification":
        cases = tuple(case.model_copy(update={"mask": None}) for case in plan.dataset.cases)
        plan = plan.model_copy(update={"dataset": plan.dataset.model_copy(update={"cases": cases})})
    frames = load_frames(plan.dataset, task, SIZE)

    write_relevance(plan, tmp_path, network_of("resnet"), frames, torch.arange(4))

    assert not (tmp_path / "cams").exists()
