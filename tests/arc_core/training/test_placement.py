"""Where an experiment would train, before its turn."""

import pytest

from arc_core.errors import LeaseDenied
from arc_core.experiments.lease import Lease
from arc_core.gpu.inventory import Gpu
from arc_core.settings import load_settings
from arc_core.training.launch import LaunchConfig
from arc_core.training.placement import place, request_of
from tests.contracts.records import SPEC

SETTINGS = load_settings(_env_file=None)


@pytest.fixture
def placed(monkeypatch):
    """Where it would go on a machine with these GPUs' used memory, beside what is held."""

    def place_on(used_mib: tuple[float, ...], *held: tuple[int, ...], **launch: object) -> tuple[int, ...]:
        gpus = tuple(
            Gpu(index=index, uuid=f"GPU-{index}", name="test", memory_total_mib=24_000, memory_used_mib=mib)
            for index, mib in enumerate(used_mib)
        )
        monkeypatch.setattr("arc_core.training.placement.read_inventory", lambda: gpus)
        request = request_of(SPEC, "exp-1", SETTINGS, LaunchConfig.model_validate(launch))
        return place(request, SETTINGS, [Lease.planned(request, gpu_ids) for gpu_ids in held])

    return place_on


def test_without_a_gpu_on_the_cpu_however_many_devices(placed):
    assert placed(()) == placed((), devices=2) == ()


def test_beside_what_is_held(placed):
    assert placed((0, 0, 0)) == (0,)
    assert placed((0, 0, 0), (0,)) == (1,)
    assert placed((0, 0, 0), devices=2) == (0, 1)


def test_where_it_would_wait_for_room_or_for_a_place(placed):
    assert placed((24_000, 24_000, 0)) == (0,)
    assert placed((0, 0, 0), (0,), (0,), (0,)) == (1,)


def test_more_gpus_than_there_are_is_said_before_anything_waits(placed):
    with pytest.raises(LeaseDenied, match="experiment exp-1 needs 3 GPUs and ARC_TRAINING_GPUS names 2"):
        placed((0, 0, 0), devices=3)


def test_the_launch_config_says_how_urgent_it_is():
    request = request_of(SPEC, "exp-1", SETTINGS, LaunchConfig(priority=9))
    assert (request.priority, request.length_s) == (9, SETTINGS.lease_s)
