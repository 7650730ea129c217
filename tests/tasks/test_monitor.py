"""The watch beside a cycle: it starts, ends with what it watches, and ends nothing else."""

import threading

import pytest

from arc_core.experiments.memory import open_memory
from arc_core.settings import get_settings
from flows.monitor import monitor
from tasks.monitor import beside, sample
from tests.contracts.records import STUDY


@pytest.fixture
def memory(arc_home, monkeypatch):
    monkeypatch.setenv("ARC_GPU_MODE", "simulated")
    monkeypatch.setenv("ARC_GPU_INTERVAL_S", "0.5")
    memory = open_memory(get_settings().store_url)
    memory.register_study(STUDY)
    return memory


def alive() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "monitor"]


def test_the_flow_samples_as_long_as_the_block_runs(memory, prefect_server):
    cycle = memory.begin_cycle(STUDY.id)
    read = threading.Event()
    keep = memory.leases.held

    def held():
        read.set()
        return keep()

    memory.leases.held = held
    with beside(monitor, cycle.id):
        assert read.wait(60), "a first reading"
        assert alive() == ["monitor"]
    assert alive() == []
    (watch,) = memory.samples.watches(cycle.id)
    assert watch.simulated
    assert watch.ended is not None
    assert len(memory.samples.of_cycle(cycle.id)) == 3 * watch.readings > 0


def test_a_watch_that_fails_is_noted_and_the_cycle_goes_on(memory):
    cycle = memory.begin_cycle(STUDY.id)

    def broken(cycle_id):
        raise RuntimeError("the server has gone away")

    with beside(broken, cycle.id):
        went_on = True
    assert went_on
    (watch,) = memory.samples.watches(cycle.id)
    assert (watch.failed, watch.fault) == (1, "RuntimeError: the server has gone away")


def test_a_cycle_that_fails_ends_its_watch(memory):
    cycle = memory.begin_cycle(STUDY.id)
    with pytest.raises(KeyError, match="why"), beside(sample.fn, cycle.id):
        raise KeyError("why")
    assert alive() == []
    assert memory.samples.watches(cycle.id)[0].ended is not None
