import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_core.errors import ArcError
from arc_core.gpu.allocation import choose_gpu
from arc_core.gpu.inventory import Gpu


def gpu(index: int, total: float = 24_000, used: float = 0) -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{index}", name="test", memory_total_mib=total, memory_used_mib=used)


inventories = st.integers(0, 5).flatmap(
    lambda count: st.tuples(
        *(
            st.integers(0, 24_000).map(lambda used, index=index: gpu(index, used=used))
            for index in range(count)
        )
    )
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    inventory=inventories,
    training=st.sets(st.integers(0, 5), min_size=1).map(tuple),
    jobs=st.dictionaries(st.integers(0, 5), st.integers(0, 4)),
    needed=st.integers(0, 25_000),
)
def test_the_least_loaded_training_gpu_with_room(inventory, training, jobs, needed):
    roomy = [g for g in inventory if g.index in training and g.memory_free_mib >= needed]
    if inventory and not roomy:
        with pytest.raises(ArcError):
            choose_gpu(inventory, training, jobs, needed)
        return
    chosen = choose_gpu(inventory, training, jobs, needed)
    if not inventory:
        assert chosen is None
        return
    best = next(g for g in roomy if g.index == chosen)
    assert all(jobs.get(chosen, 0) <= jobs.get(g.index, 0) for g in roomy)
    equals = [g for g in roomy if jobs.get(g.index, 0) == jobs.get(chosen, 0)]
    assert all(best.memory_free_mib >= g.memory_free_mib for g in equals)


def test_ties_go_to_the_lowest_index():
    assert choose_gpu([gpu(1), gpu(0)], (0, 1), {}, 100) == 0


def test_no_room_says_the_figures_and_the_cure():
    inventory = [gpu(0, used=0), gpu(1, used=24_000 - 2150)]
    with pytest.raises(
        ArcError, match=r"GPU 1 has 2\.1 of 23\.4 GiB free, the experiment needs 10\.0 GiB"
    ) as e:
        choose_gpu(inventory, (1,), {}, 10 * 1024)
    assert "lower batch_size" in str(e.value).lower()


def test_training_gpus_that_do_not_exist_are_named():
    with pytest.raises(ArcError, match=r"ARC_TRAINING_GPUS \[4, 5\] exists; this machine has GPU 0, 1"):
        choose_gpu([gpu(0), gpu(1)], (4, 5), {}, 1)
