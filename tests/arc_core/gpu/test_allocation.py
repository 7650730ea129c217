"""Which GPUs a job takes, over every inventory, load and request that hypothesis thinks of."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from arc_core.errors import LeaseDenied, NoRoom
from arc_core.experiments.lease import Lease, Request
from arc_core.gpu.allocation import Policy, allocate, busy_pids
from arc_core.gpu.inventory import Gpu, GpuProcess

TOTAL = 24_000.0
POLICY = Policy(training_gpus=(0, 1), inference_gpu=2, max_concurrent_jobs=3)


def gpu(index: int, total: float = TOTAL, used: float = 0) -> Gpu:
    return Gpu(index=index, uuid=f"GPU-{index}", name="test", memory_total_mib=total, memory_used_mib=used)


def request(memory_mib: float = 100, **fields) -> Request:
    return Request(experiment_id="exp-014", memory_mib=memory_mib, **fields)


def lease(*gpu_ids: int, memory_mib: float = 0, number: int = 7, **fields) -> Lease:
    planned = Lease.planned(request(memory_mib, gpus=len(gpu_ids) or 1, **fields), gpu_ids)
    return planned.model_copy(update={"id": number})


inventories = st.lists(st.integers(0, 24_000), min_size=1, max_size=5).map(
    lambda used: tuple(gpu(index, used=mib) for index, mib in enumerate(used))
)
held = st.lists(
    st.builds(
        lambda gpu_ids, mib, host: lease(*gpu_ids, memory_mib=mib, **host),
        st.sets(st.integers(0, 4), max_size=3),
        st.integers(0, 12_000),
        st.sampled_from([{}, {"host": "another host"}, {"purpose": "inference"}]),
    ),
    max_size=5,
)
policies = st.builds(
    Policy,
    training_gpus=st.sets(st.integers(0, 5), min_size=1).map(tuple),
    inference_gpu=st.integers(0, 5),
    max_concurrent_jobs=st.integers(1, 4),
)
requests = st.builds(
    request,
    st.integers(0, 26_000),
    gpus=st.integers(1, 3),
    purpose=st.sampled_from(["training", "inference"]),
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inventory=inventories, leases=held, asked=requests, policy=policies)
@example(inventory=(gpu(0), gpu(1)), leases=[], asked=request(TOTAL, gpus=2), policy=POLICY)
def test_the_least_loaded_of_its_own_with_room_or_a_refusal_that_is_true(inventory, leases, asked, policy):
    own = [each for each in inventory if each.index in policy.training_gpus]
    own = [each for each in own if each.index != policy.inference_gpu]
    if asked.purpose == "inference":
        own = [each for each in inventory if each.index == policy.inference_gpu]

    def jobs(g: Gpu) -> list[Lease]:
        return [each for each in leases if g.index in each.gpu_ids and each.request.host == asked.host]

    def room(g: Gpu) -> float:
        promised = sum(each.request.memory_mib for each in jobs(g))
        return max(0, min(g.memory_free_mib, g.memory_total_mib - promised))

    trainings = [each for each in leases if each.request.purpose == "training"]
    full = asked.purpose == "training" and len(trainings) >= policy.max_concurrent_jobs
    roomy = [each for each in own if room(each) >= asked.memory_mib]
    never = len([each for each in own if each.memory_total_mib >= asked.memory_mib]) < asked.gpus
    try:
        taken = allocate(inventory, leases, asked, policy)
    except LeaseDenied:
        assert never
        return
    except NoRoom:
        assert not never
        assert full or len(roomy) < asked.gpus
        return
    assert not never
    assert not full
    assert len(set(taken)) == len(taken) == asked.gpus
    chosen = [each for each in roomy if each.index in taken]
    assert len(chosen) == asked.gpus
    for best in chosen:
        for other in (each for each in roomy if each not in chosen):
            assert (len(jobs(best)), -room(best)) <= (len(jobs(other)), -room(other))


@given(leases=held, asked=requests)
def test_a_machine_without_gpus_has_places_all_the_same(leases, asked):
    trainings = [each for each in leases if each.request.purpose == "training"]
    if asked.purpose == "training" and len(trainings) >= POLICY.max_concurrent_jobs:
        with pytest.raises(NoRoom, match=r"of 3 places \(ARC_MAX_CONCURRENT_JOBS\) are taken: lease 7 of"):
            allocate((), leases, asked, POLICY)
    else:
        assert allocate((), leases, asked, POLICY) == ()


def test_ties_go_to_the_lowest_index():
    assert allocate([gpu(1), gpu(0)], (), request(), POLICY) == (0,)


def test_three_jobs_share_two_gpus_and_leave_the_third_to_the_models():
    inventory, leases = [gpu(0), gpu(1), gpu(2)], []
    for number in range(3):
        leases.append(lease(*allocate(inventory, leases, request(), POLICY), number=number))
    assert [each.gpu_ids for each in leases] == [(0,), (1,), (0,)]
    assert allocate(inventory, leases, request(purpose="inference"), POLICY) == (2,)


def test_a_full_gpu_is_waited_for():
    inventory = [gpu(1, used=TOTAL - 2150)]
    said = (
        r"GPU 1 has 2\.1 of 23\.4 GiB free; experiment exp-014 needs 10\.0 GiB; lower batch_size "
        "or wait for lease 7$"
    )
    with pytest.raises(NoRoom, match=said):
        allocate(inventory, [lease(1)], request(10 * 1024), POLICY)
    with pytest.raises(NoRoom, match=r"or wait for what else runs there$"):
        allocate(inventory, [], request(10 * 1024), POLICY)


def test_jobs_that_have_just_started_hold_their_room():
    two = [lease(0, memory_mib=10_000, number=7), lease(0, memory_mib=10_000, number=9)]
    with pytest.raises(NoRoom, match=r"GPU 0 has 3\.9 of 23\.4 GiB free.*wait for lease 7, 9$"):
        allocate([gpu(0)], two, request(5_000), POLICY)
    assert allocate([gpu(0), gpu(1)], two, request(5_000), POLICY) == (1,)


def test_what_never_fits_is_not_waited_for():
    with pytest.raises(LeaseDenied, match=r"needs 29\.3 GiB, more than there is; got GPU 0 has 23\.4 GiB"):
        allocate([gpu(0), gpu(2, total=80_000)], (), request(30_000), POLICY)
    with pytest.raises(LeaseDenied, match=r"needs 3 GPUs and ARC_TRAINING_GPUS names 2 that exist"):
        allocate([gpu(0), gpu(1), gpu(2)], (), request(gpus=3), POLICY)


def test_gpus_that_do_not_exist_are_named():
    policy = Policy(training_gpus=(4, 5), inference_gpu=6)
    with pytest.raises(
        LeaseDenied, match="ARC_TRAINING_GPUS names 0 that exist; got GPU 0, 1 in this machine"
    ):
        allocate([gpu(0), gpu(1)], (), request(), policy)
    with pytest.raises(LeaseDenied, match="ARC_INFERENCE_GPU names 0"):
        allocate([gpu(0), gpu(1)], (), request(purpose="inference"), policy)


def test_the_processes_on_each_gpu():
    busy = gpu(1).model_copy(update={"processes": (GpuProcess(pid=12), GpuProcess(pid=9))})
    assert busy_pids([gpu(0), busy]) == {0: (), 1: (12, 9)}
