"""The sampler in a real thread, on the real pynvml with a stub of NVIDIA's library."""

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from arc_core.errors import StoreError
from arc_core.experiments.memory import Memory
from arc_core.gpu.sampler import Sampler
from tests.contracts.records import STUDY, decision, holding, proposal
from tests.nvml import driver_here, variables

RUN = """
import sys, threading, time
from arc_core.experiments.memory import Memory
from arc_core.gpu.sampler import Sampler

url, cycle, mode, readings = sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4])
memory, stop = Memory(url), threading.Event()
sampler = Sampler(memory, cycle, mode, 0.05)
kept = []
thread = threading.Thread(target=lambda: kept.append(sampler.run(stop)))
thread.start()
while thread.is_alive() and sampler.readings < readings:
    time.sleep(0.01)
stop.set()
thread.join()
print(kept[0].model_dump_json())
"""


@pytest.fixture
def memory(tmp_path):
    memory = Memory(f"sqlite:///{tmp_path / 'arc.db'}")
    memory.register_study(STUDY)
    yield memory
    memory.close()


def sampled(memory: Memory, library: Path | None, readings: int = 3, mode: str = "auto", **stub: str):
    """A watch of a new cycle by another process: the cycle, and what was printed of the watch."""
    cycle = memory.begin_cycle(STUDY.id)
    url = memory.database.url.render_as_string(hide_password=False)
    command = [sys.executable, "-W", "error", "-c", RUN, url, str(cycle.id), mode, str(readings)]
    environment = variables(library, **stub)
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return cycle, json.loads(run.stdout)


def train_on(memory: Memory, gpu_index: int) -> str:
    """An experiment that this process trains on the GPU."""
    cycle = memory.begin_cycle(STUDY.id)
    memory.keep_decisions(cycle, [decision("prop-1")], {"prop-1": proposal(1)})
    (experiment,) = memory.experiments(STUDY.id)
    holding(memory, experiment.id, gpu_index)
    return experiment.id


def test_the_series_of_each_gpu_is_kept_with_its_jobs(memory, stub_driver):
    experiment = train_on(memory, 0)
    cycle, _ = sampled(memory, stub_driver, STUB_NVML_BUSY="93")
    samples = memory.samples.of_cycle(cycle.id)
    (watch,) = memory.samples.watches(cycle.id)
    assert watch.readings * 2 == len(samples) >= 6
    assert (watch.gpus, watch.failed, watch.simulated) == ({0: "Stub 0", 1: "Stub 1"}, 0, False)
    assert watch.ended is not None
    for gpu, busy, jobs in ((0, 93, (experiment,)), (1, 0, ())):
        own = [sample for sample in samples if sample.gpu_index == gpu]
        assert {(sample.utilisation_percent, sample.jobs) for sample in own} == {(busy, jobs)}
        assert len({sample.at for sample in own}) == len(own)


def test_a_gpu_lost_on_the_way_is_noted_and_what_was_read_is_kept(memory, stub_driver):
    cycle, _ = sampled(memory, stub_driver, readings=5, STUB_NVML_LOST_AFTER="3")
    (watch,) = memory.samples.watches(cycle.id)
    assert watch.readings - watch.failed == 2, "one of the three was for finding the driver"
    assert watch.fault.startswith("GPU 1: ")
    assert len(memory.samples.of_cycle(cycle.id)) == 4


def test_without_a_gpu_nothing_is_made_up(memory, stub_driver):
    cycle, _ = sampled(memory, stub_driver, STUB_NVML_INIT="9")
    assert memory.samples.of_cycle(cycle.id) == ()
    (watch,) = memory.samples.watches(cycle.id)
    assert (watch.readings, watch.failed, watch.gpus) == (0, 0, {})


def test_simulated_gpus_are_kept_as_such_when_asked_for(memory):
    if driver_here():
        pytest.skip("this machine has an NVIDIA driver")
    cycle, _ = sampled(memory, None, mode="simulated")
    assert {sample.simulated for sample in memory.samples.of_cycle(cycle.id)} == {True}
    assert memory.samples.watches(cycle.id)[0].simulated


def test_a_store_that_takes_no_samples_is_noted_too(memory, monkeypatch):
    def full(cycle_id, samples):
        raise StoreError("the store can't be used: disk full", cure="Make room.")

    monkeypatch.setattr(memory.samples, "keep", full)
    stop = threading.Event()
    stop.set()
    watch = Sampler(memory, memory.begin_cycle(STUDY.id).id, "simulated", 0.05).run(stop)
    assert (watch.failed, "disk full" in watch.fault) == (1, True)
