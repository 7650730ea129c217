"""A clock that is set back an hour under processes of a test's own, as `date --set` would for all of them."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_suffix(".c")


@dataclass(frozen=True)
class SetBack:
    """What a process needs in its environment, and the act."""

    folder: Path

    @property
    def variables(self) -> dict[str, str]:
        return {"LD_PRELOAD": str(self.folder / "clock.so"), "SET_BACK_BY": str(self.folder / "now")}

    def set_back(self) -> None:
        (self.folder / "now").touch()


def clock_in(folder: Path) -> SetBack:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler, so no clock that can be set back")
    if sys.platform != "linux":
        pytest.skip("the clock is set back by LD_PRELOAD, on Linux only")
    command = [compiler, "-shared", "-fPIC", "-O2", "-o", str(folder / "clock.so"), str(SOURCE)]
    subprocess.run(command, check=True, capture_output=True)
    return SetBack(folder)
