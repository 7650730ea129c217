from pathlib import Path

import pytest
import torch
import yaml
from monai.networks.nets.basic_unet import BasicUNet

from arc_core.errors import SpecError
from arc_core.experiments.limits import MAX_PARAMETERS
from arc_core.experiments.spec import Architecture
from arc_core.training import catalogue
from arc_core.training.networks import OUTPUTS, build_network

CONFIGS = Path(__file__).parents[3] / "configs" / "model"
OPTIONS = sorted(path.relative_to(CONFIGS) for path in CONFIGS.glob("*/*.yaml"))


def parameters_of(network: torch.nn.Module) -> int:
    return sum(tensor.numel() for tensor in network.parameters())


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_a_configured_network_learns_from_one_step(option):
    task = option.parent.name
    configured = yaml.safe_load((CONFIGS / option).read_text())
    network = build_network(task, Architecture(**configured))

    logits = network(torch.rand(2, 3, 32, 32))
    logits.square().mean().backward()

    shape = (2, 3, 32, 32) if task == "segmentation" else (2, 1)
    assert logits.shape == shape
    assert shape[1] == OUTPUTS[task]
    gradients = {name: tensor.grad for name, tensor in network.named_parameters()}
    assert [name for name, grad in gradients.items() if grad is None] == [], "DDP waits for every gradient"
    assert all(torch.isfinite(grad).all() for grad in gradients.values())
    assert any(grad.abs().sum() > 0 for grad in gradients.values())
    assert parameters_of(network) <= MAX_PARAMETERS


@pytest.mark.parametrize(
    ("task", "name"), [(task, name) for task in OUTPUTS for name in sorted(catalogue.networks(task))]
)
def test_width_depth_and_dropout_change_the_network(task, name):
    with torch.device("meta"):
        small, wide, deep, dropping = (
            build_network(task, Architecture(name=name, width=width, depth=depth, dropout=dropout))
            for width, depth, dropout in ((8, 3, 0.0), (16, 3, 0.0), (8, 4, 0.0), (8, 3, 0.5))
        )

    assert parameters_of(wide) > parameters_of(small)
    assert parameters_of(deep) > parameters_of(small)
    rates = {getattr(module, "p", 0.0) for module in dropping.modules()} | {
        module.p for module in dropping.modules() if isinstance(module, torch.nn.modules.dropout._DropoutNd)
    }
    assert 0.5 in rates


def test_five_levels_of_basic_unet_are_monais_own():
    ours = build_network("segmentation", Architecture(name="basic_unet", width=8, depth=5))
    monais = BasicUNet(spatial_dims=2, in_channels=3, out_channels=3, features=(8, 16, 32, 64, 128, 8))

    # MONAI's last step up keeps twice the channels; all the rest is alike.
    encoder = [name for name, _ in monais.named_parameters() if not name.startswith(("upcat_1", "final"))]
    theirs = sum(dict(monais.named_parameters())[name].numel() for name in encoder)
    last_up = parameters_of(ours.up[-1]) + parameters_of(ours.exit)
    assert parameters_of(ours) - last_up == theirs


@pytest.mark.parametrize("name", ["../worker", "os", "__init__", ""])
def test_only_a_file_of_the_package_is_ever_imported(name):
    with pytest.raises(SpecError, match="unet"):
        catalogue.load("networks", "segmentation", name)
