"""The real pynvml against a stub of NVIDIA's library, in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nvml import driver_here, variables

PROBE = """
import json, sys
import pynvml
from arc_core.errors import ArcError
from arc_core.gpu.inventory import read_inventory

if "bytes" in sys.argv:  # as older versions of the binding hand names out
    decoded = pynvml.nvmlDeviceGetName
    pynvml.nvmlDeviceGetName = lambda device: decoded(device).encode() + b" \\xff"
for _ in range(1 + sys.argv.count("again")):
    try:
        print(json.dumps([gpu.model_dump() for gpu in read_inventory()]))
    except ArcError as error:
        print(json.dumps(str(error)))
"""


def probe(library: Path | None, *arguments: str, **stub: str) -> list[object]:
    """What each reading of one process came to: its GPUs, or its error."""
    command = [sys.executable, "-W", "error", "-c", PROBE, *arguments]
    environment = variables(library, **stub)
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in run.stdout.splitlines()]


def test_every_gpu_with_all_that_it_offers_and_none_for_the_rest(stub_driver):
    (gpus,) = probe(stub_driver)
    processes = [{"pid": 4711, "memory_mib": 512.0}, {"pid": 4712, "memory_mib": None}]
    first = {"utilisation_percent": 90.0, "fan_percent": 35.0, "power_w": 250.5, "processes": processes}
    second = {"utilisation_percent": 0.0, "fan_percent": None, "power_w": None, "processes": []}
    assert gpus == [
        {
            "index": index,
            "uuid": f"GPU-stub-{index}",
            "name": f"Stub {index}",
            "memory_total_mib": 24 * 1024,
            "memory_used_mib": (index + 1) * 1024,
            "temperature_c": 60.0 + index,
            **offered,
        }
        for index, offered in enumerate((first, second))
    ]


def test_a_driver_too_old_for_a_reading_has_none(stub_driver):
    (gpus,) = probe(stub_driver, STUB_NVML_TEMPERATURE="13")
    assert [gpu["temperature_c"] for gpu in gpus] == [None, None]


def test_a_name_in_bytes_is_read(stub_driver):
    (gpus,) = probe(stub_driver, "bytes")
    assert [gpu["name"] for gpu in gpus] == [
        "Stub 0 \N{REPLACEMENT CHARACTER}",
        "Stub 1 \N{REPLACEMENT CHARACTER}",
    ]


def test_a_driver_that_is_not_loaded_is_no_gpu(stub_driver):
    assert probe(stub_driver, STUB_NVML_INIT="9") == [[]]


@pytest.mark.parametrize("mode", ["auto", "simulated"])
def test_no_library_is_no_gpu_to_train_on_whatever_the_mode(mode):
    if driver_here():
        pytest.skip("this machine has an NVIDIA driver")
    assert probe(None, ARC_GPU_MODE=mode) == [[]]


def test_training_reads_the_real_gpus_though_the_monitor_simulates(stub_driver):
    (gpus,) = probe(stub_driver, ARC_GPU_MODE="simulated")
    assert [gpu["name"] for gpu in gpus] == ["Stub 0", "Stub 1"]


def test_a_driver_that_has_to_be_there_is_missed(stub_driver):
    (said,) = probe(stub_driver, STUB_NVML_INIT="9", ARC_GPU_MODE="real")
    assert "no NVIDIA driver" in said
    assert "ARC_GPU_MODE=auto" in said


@pytest.mark.parametrize("stub", [{"STUB_NVML_INIT": "4"}, {"STUB_NVML_TEMPERATURE": "999"}])
def test_a_driver_that_cannot_be_read_is_an_error(stub_driver, stub):
    (said,) = probe(stub_driver, **stub)
    assert "the NVIDIA driver cannot be read" in said


def test_a_gpu_that_is_lost_while_running_is_named(stub_driver):
    before, after = probe(stub_driver, "again", STUB_NVML_LOST_AFTER="1")
    assert [gpu["index"] for gpu in before] == [0, 1]
    assert after.startswith("GPU 1: ")
    assert "lost" in after.lower()
