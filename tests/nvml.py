"""A stub of NVIDIA's library, for the real pynvml to load in a process of its own."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "arc_core" / "gpu" / "stub_nvml.c"


def compiled_in(folder: Path) -> Path:
    """The folder, with libnvidia-ml.so.1 in it."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler, so no stub of libnvidia-ml.so.1")
    if sys.platform != "linux":
        pytest.skip("pynvml loads libnvidia-ml.so.1 on Linux only")
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / "libnvidia-ml.so.1"), str(SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    return folder


def driver_here() -> bool:
    return Path("/proc/driver/nvidia").exists()


def variables(library: Path | None, **stub: str) -> dict[str, str]:
    """An environment in which the stub is the driver."""
    found = {} if library is None else {"LD_LIBRARY_PATH": str(library)}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARC_")}
    return kept | found | stub
