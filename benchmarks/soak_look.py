"""One look at a running loop from outside: its process, and the servers that are its children."""

import contextlib
from dataclasses import dataclass

import psutil

SERVERS = {"uvicorn": "Prefect's server", "arc_core.training.forkserver": "warm workers' server"}
"""A word of the command line → what the child process is."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Right after a cycle that took `seconds`. `core_s`: of a core, since the loop's process began.
    `connections`: to ARC's database, of that process."""

    seconds: float
    core_s: float
    rss_mib: float
    open_files: int
    threads: int
    connections: int
    children: int
    server_mib: dict[str, float]
    """Resident memory of each child that stays."""


def look_at(process: psutil.Process, seconds: float) -> Look:
    """`process`: the loop's. An open file is any descriptor: a socket and a pipe too."""
    children = process.children(recursive=True)
    with process.oneshot():
        return Look(
            seconds=seconds,
            core_s=sum(process.cpu_times()[:2]),
            rss_mib=process.memory_info().rss / 2**20,
            open_files=process.num_fds(),
            threads=process.num_threads(),
            connections=sum(file.path.endswith("/arc.db") for file in process.open_files()),
            children=len(children),
            server_mib=dict(found for child in children if (found := _server(child))),
        )


def _server(child: psutil.Process) -> tuple[str, float] | None:
    with contextlib.suppress(psutil.NoSuchProcess):
        words = child.cmdline()
        for word, name in SERVERS.items():
            if word in words:
                return name, child.memory_info().rss / 2**20
    return None
