"""Who holds what: a process, named so that its death can be told from another host's silence."""

import os
import socket
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
        pid = os.getpid()
        return cls(host=socket.gethostname(), pid=pid, started=psutil.Process(pid).create_time())

    def is_dead(self) -> bool:
        """True only when it is known to be gone; a process on another host counts as alive."""
        if self.host != socket.gethostname():
            return False
        try:
            # create_time drifts by less than a second when the clock is adjusted.
            return abs(psutil.Process(self.pid).create_time() - self.started) > 1.0
        except psutil.NoSuchProcess:
            return True

    def __str__(self) -> str:
        return f"pid {self.pid} on {self.host}"


class Claim(Record):
    """The right to train one experiment, on one GPU or (None) on the CPU."""

    gpu_index: int | None
