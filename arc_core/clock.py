"""Time that no change of the host's clock moves: what deadlines and waits are held against."""

import os
import sys
import time
from pathlib import Path

import psutil

_SINCE_START = time.CLOCK_BOOTTIME if sys.platform == "linux" else time.CLOCK_MONOTONIC


def steady_s() -> float:
    """Seconds since some moment, a suspend included."""
    return time.clock_gettime(_SINCE_START)


_UNIX_S = time.time() - steady_s()


def unix_s() -> float:
    """Unix time, as it goes on from what the clock said when this process began."""
    return _UNIX_S + steady_s()


def age_s() -> float:
    """Seconds since this process began."""
    if sys.platform != "linux":
        return max(0.0, time.time() - psutil.Process().create_time())
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    return max(0.0, steady_s() - ticks / os.sysconf("SC_CLK_TCK"))
