"""Who holds what: a process, named so that its death can be told from another host's silence."""

import os
import socket
import sys
import zlib
from functools import cache
from pathlib import Path
from typing import Self

import psutil

from arc_core.record import Record


class Holder(Record):
    """A process: the start time tells it from a later one with the same pid."""

    host: str
    pid: int
    started: float

    @classmethod
    def this_process(cls) -> Self:
        return cls.of(os.getpid())

    @classmethod
    def of(cls, pid: int) -> Self:
        """A process of this host; psutil.NoSuchProcess when there is none."""
        return cls(host=socket.gethostname(), pid=pid, started=started_of(pid))

    @property
    def is_here(self) -> bool:
        return self.host == socket.gethostname()

    def is_dead(self) -> bool:
        """True only when it is known to be gone; a process on another host counts as alive."""
        if not self.is_here:
            return False
        try:
            process = psutil.Process(self.pid)
            if started_of(self.pid) != self.started:
                return True
            return process.status() == psutil.STATUS_ZOMBIE  # dead; its parent hasn't asked yet
        except psutil.NoSuchProcess:
            return True

    def leads(self, pid: int) -> bool:
        """Whether `pid` is it, or a process of the session that it began."""
        if not self.is_here or pid == self.pid:
            return self.is_here
        try:
            return os.getsid(pid) == self.pid
        except (ProcessLookupError, PermissionError):
            return False

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"


def started_of(pid: int) -> float:
    """When a process of this host began; psutil.NoSuchProcess when there is none.

    On Linux in ticks since the host's start, which no change of the clock moves, behind a number for that
    start. Elsewhere in Unix time.
    """
    if not sys.platform.startswith("linux"):
        return psutil.Process(pid).create_time()
    try:
        ticks = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (FileNotFoundError, ProcessLookupError):
        raise psutil.NoSuchProcess(pid) from None
    return float(f"{_boot()}{ticks:012d}")


@cache
def _boot() -> int:
    """Three digits for this start of the host."""
    return zlib.crc32(Path("/proc/sys/kernel/random/boot_id").read_bytes()) % 900 + 100
