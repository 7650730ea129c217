"""A worker process as the one who asked for it sees it, and the plain way to start one."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import Protocol

LEASH_VARIABLE = "ARC_WORKER_LEASH"
"""Set: the worker's standard input closes when whoever asked for the worker is gone, and so must it be."""


class Child(Protocol):
    """As `subprocess.Popen`: the leader of a process group of its own, on a leash."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None:
        """The exit code, the negative number of the signal that ended it, or None while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """The same, as soon as it has ended; subprocess.TimeoutExpired after `timeout` seconds."""


class Start(Protocol):
    """A way to start a worker. What `environment` names is added to this process's environment."""

    def __call__(
        self, arguments: Sequence[str], environment: Mapping[str, str], stdout: int, stderr: int
    ) -> Child: ...


class Cold(subprocess.Popen[bytes]):
    """A fresh interpreter."""

    def wait(self, timeout: float | None = None) -> int:
        code = super().wait(timeout)
        assert self.stdin is not None
        self.stdin.close()
        return code


def start_cold(arguments: Sequence[str], environment: Mapping[str, str], stdout: int, stderr: int) -> Child:
    """Start a worker that has yet to import everything.

    It inherits that SIGINT waits: until `worker.main` lets it through, it would be a failed import.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return Cold(
            arguments,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            env={**os.environ, **environment, LEASH_VARIABLE: "stdin"},
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
