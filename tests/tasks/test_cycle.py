"""Opening a cycle: what can't be trained at all is told before the board meets."""

import pytest

from arc_core.config import load_config
from arc_core.errors import LeaseDenied
from arc_core.gpu.inventory import Gpu
from arc_core.settings import get_settings
from tasks.cycle import open_cycle
from tests.command import TINY, copied

SMALL = Gpu(index=0, uuid="GPU-0", name="test", memory_total_mib=1_500, memory_used_mib=0)


@pytest.fixture
def opened(one_cycle, arc_home, monkeypatch, tmp_path):
    """Opens a cycle, on a GPU of 1.5 GiB, whose baseline needs 1.9."""
    monkeypatch.setattr("arc_core.training.placement.read_inventory", lambda: (SMALL,))

    def open_(*, with_champion: bool):
        if with_champion:
            copied(one_cycle.home, arc_home)
        overrides = (*TINY, "spec.image_size_px=512", "spec.batch_size=16")
        config = load_config(overrides, data=None, settings=get_settings())
        return open_cycle.fn(config, scratch_folder=tmp_path)

    return open_


def test_a_baseline_that_never_fits_is_refused_with_numbers(opened):
    with pytest.raises(LeaseDenied, match=r"GPU 0 has 1\.5 GiB"):
        opened(with_champion=False)


def test_but_not_where_a_champion_that_fits_has_taken_its_place(opened, one_cycle):
    context = opened(with_champion=True)
    assert context.parent[1] == one_cycle.memory.champion(one_cycle.study).id
