"""Every network that a spec may name, exported."""

import io
import json
import zipfile
from itertools import cycle
from pathlib import Path
from typing import get_args

import pytest
import torch

from arc_core.bundle.program import exported
from arc_core.experiments.spec import Architecture
from arc_core.training import catalogue
from arc_core.training.ensemble import Ensemble
from arc_core.training.networks import OUTPUTS, build_network
from arc_core.training.normalisation import Normalisation

NETWORKS = [(task, name) for task in OUTPUTS for name in sorted(catalogue.networks(task))]
EACH = list(zip(NETWORKS, cycle(get_args(Normalisation)), strict=False))
SIZE_PX = 64


@pytest.mark.parametrize(("network", "normalisation"), EACH, ids=str)
def test_what_is_exported_says_the_same(network, normalisation):
    task, name = network
    torch.manual_seed(0)
    architecture = Architecture(name=name, width=8, depth=3, dropout=0.3)
    networks = [build_network(task, architecture) for _ in range(2)]
    for each in networks:
        each(torch.rand(4, 3, SIZE_PX, SIZE_PX))  # so that running statistics are those of no fresh network
        each.eval()
    ensemble = Ensemble(networks, normalisation)

    program = torch.export.load(io.BytesIO(exported(ensemble, SIZE_PX))).module()

    images = torch.rand(3, 3, SIZE_PX, SIZE_PX)
    with torch.inference_mode():
        for batch in (images, images[:1]):
            torch.testing.assert_close(program(batch), ensemble(batch), atol=1e-5, rtol=0)


def test_an_export_holds_no_pickle_and_no_path_of_this_machine():
    network = build_network("classification", Architecture(name="resnet", width=8, depth=3))

    content = exported(Ensemble([network], "standardise"), SIZE_PX)

    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    (listed,) = [json.loads(file) for name, file in files.items() if name.endswith("weights_config.json")]
    assert not any(weight["use_pickle"] for weight in listed["config"].values())
    assert [file for name, file in files.items() if "sample_inputs" in name] == [b""]
    for folder in (Path(__file__).parents[3], Path(torch.__file__).parents[1]):
        assert not any(str(folder).encode() in file for file in files.values())
