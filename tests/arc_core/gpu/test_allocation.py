import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arc_core.errors import ArcError, NoRoom
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
    promised=st.dictionaries(st.integers(0, 5), st.lists(st.integers(0, 12_000), max_size=4)),
    needed=st.integers(0, 25_000),
)
def test_the_least_loaded_training_gpu_with_room(inventory, training, promised, needed):
    def room(g: Gpu) -> float:
        return max(0, min(g.memory_free_mib, g.memory_total_mib - sum(promised.get(g.index, ()))))

    def jobs(g: Gpu) -> int:
        return len(promised.get(g.index, ()))

    roomy = [g for g in inventory if g.index in training and room(g) >= needed]
    if inventory and not roomy:
        with pytest.raises(ArcError):
            choose_gpu(inventory, training, promised, needed)
        return
    chosen = choose_gpu(inventory, training, promised, needed)
    if not inventory:
        assert chosen is None
        return
    best = next(g for g in roomy if g.index == chosen)
    assert all(jobs(best) <= jobs(g) for g in roomy)
    assert all(room(best) >= room(g) for g in roomy if jobs(g) == jobs(best))


def test_ties_go_to_the_lowest_index():
    assert choose_gpu([gpu(1), gpu(0)], (0, 1), {}, 100) == 0


def test_a_full_gpu_is_waited_for():
    inventory = [gpu(0, used=0), gpu(1, used=24_000 - 2150)]
    said = r"GPU 1 has room for 2\.1 of 23\.4 GiB, the experiment needs 10\.0 GiB"
    with pytest.raises(NoRoom, match=said):
        choose_gpu(inventory, (1,), {}, 10 * 1024)


def test_jobs_that_have_just_started_hold_their_room():
    with pytest.raises(NoRoom, match=r"GPU 0 has room for 3\.9 of 23\.4 GiB"):
        choose_gpu([gpu(0)], (0,), {0: [10_000, 10_000]}, 5_000)
    assert choose_gpu([gpu(0), gpu(1)], (0, 1), {0: [10_000]}, 5_000) == 1


def test_what_never_fits_is_not_waited_for():
    with pytest.raises(ArcError, match="Lower batch_size") as caught:
        choose_gpu([gpu(0)], (0,), {}, 30_000)
    assert not isinstance(caught.value, NoRoom)


def test_training_gpus_that_do_not_exist_are_named():
    with pytest.raises(ArcError, match=r"ARC_TRAINING_GPUS \[4, 5\] exists; this machine has GPU 0, 1"):
        choose_gpu([gpu(0), gpu(1)], (4, 5), {}, 1)
