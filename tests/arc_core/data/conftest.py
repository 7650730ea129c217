"""A small, correct dataset folder to copy and break."""

import shutil
from pathlib import Path

import pytest

from arc_core.data.manifest import Dataset, read_dataset
from arc_core.data.synthetic import SyntheticConfig, generate


@pytest.fixture(scope="session")
def simulated(tmp_path_factory) -> Dataset:
    root = tmp_path_factory.mktemp("data") / "simulated"
    generate(SyntheticConfig(cases=24, image_size_px=64, seed=3), root)
    return read_dataset(root, "classification")


@pytest.fixture
def folder(simulated, tmp_path) -> Path:
    """A fresh copy of a valid dataset; tests break it."""
    return Path(shutil.copytree(simulated.root, tmp_path / "eyes"))
