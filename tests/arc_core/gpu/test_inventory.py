"""The real pynvml against a stub of NVIDIA's library, in a process of its own."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json
from arc_core.errors import ArcError
from arc_core.gpu.inventory import read_inventory
try:
    print(json.dumps([gpu.model_dump() for gpu in read_inventory()]))
except ArcError as error:
    print(json.dumps(str(error)))
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler, so no stub of libnvidia-ml.so.1")
    if sys.platform != "linux":
        pytest.skip("pynvml loads libnvidia-ml.so.1 on Linux only")
    folder = tmp_path_factory.mktemp("nvml")
    source = Path(__file__).with_name("stub_nvml.c")
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(source)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def probe(library: Path | None, **stub: str) -> object:
    environment = {**os.environ, **stub}
    if library is not None:
        environment["LD_LIBRARY_PATH"] = str(library)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROBE],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(run.stdout)


def test_every_gpu_with_its_memory(library):
    assert probe(library) == [
        {
            "index": index,
            "uuid": f"GPU-stub-{index}",
            "name": f"Stub {index}",
            "memory_total_mib": 24 * 1024,
            "memory_used_mib": (index + 1) * 1024,
            "processes": [{"pid": 4000 + index, "memory_mib": 512.0}],
        }
        for index in (0, 1)
    ]


def test_a_driver_that_is_not_loaded_is_no_gpu(library):
    assert probe(library, STUB_NVML_INIT="9") == []


def test_no_library_is_no_gpu():
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has an NVIDIA driver")
    assert probe(None) == []


@pytest.mark.parametrize("stub", [{"STUB_NVML_INIT": "4"}, {"STUB_NVML_LOST": "1"}])
def test_a_driver_that_cannot_be_read_is_an_error(library, stub):
    assert "the NVIDIA driver cannot be read" in probe(library, **stub)


def test_a_lost_gpu_is_named_as_such(library):
    assert "lost" in probe(library, STUB_NVML_LOST="1").lower()
