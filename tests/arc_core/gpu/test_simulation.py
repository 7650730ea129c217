from datetime import UTC, datetime

import pytest

from arc_core.gpu.simulation import simulated_gpus
from arc_core.gpu.snapshot import take_snapshot

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


def test_the_same_step_and_seed_give_the_same_gpus():
    assert simulated_gpus(7) == simulated_gpus(7)
    assert simulated_gpus(7) != simulated_gpus(8), "a watch shows movement"
    assert simulated_gpus(7) != simulated_gpus(7, seed=1)


@pytest.mark.parametrize("step", range(0, 5000, 97))
def test_three_a40_that_say_what_they_are(step):
    gpus = simulated_gpus(step)
    assert [gpu.index for gpu in gpus] == [0, 1, 2]
    for gpu in gpus:
        assert "A40" in gpu.name
        assert "SIMULATED" in gpu.name
        assert "SIMULATED" in gpu.uuid
        assert 0 < gpu.memory_used_mib < gpu.memory_total_mib
        assert 0 <= gpu.utilisation_percent <= 100
        assert gpu.fan_percent is None, "an A40 has no fan"


def test_a_snapshot_of_them_is_marked_and_so_is_each_sample():
    snapshot = take_snapshot("simulated", NOON)
    assert snapshot == take_snapshot("simulated", NOON)
    assert snapshot.simulated
    assert [sample.simulated for sample in snapshot.samples] == [True] * 3
