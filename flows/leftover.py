"""Prefect's temporary servers whose command was killed, and could not end them."""

import os

import psutil

from arc_core.experiments.holder import Holder

OWNER_VARIABLE = "ARC_SERVER_OWNER"
"""The command that a server serves, inherited by the server as its environment."""
END_S = 5.0


def own_servers() -> None:
    """End the servers of dead commands, and let those that this one starts be known as its own."""
    servers = [process for process in psutil.process_iter(["cmdline"]) if _is_orphan(process)]
    for server in servers:
        server.terminate()
    for server in psutil.wait_procs(servers, timeout=END_S)[1]:
        server.kill()
    os.environ[OWNER_VARIABLE] = Holder.this_process().model_dump_json()


def _is_orphan(process: psutil.Process) -> bool:
    try:
        if not any("prefect.server" in part for part in process.info["cmdline"] or ()):
            return False
        owner = process.environ().get(OWNER_VARIABLE)
        return owner is not None and Holder.model_validate_json(owner).is_dead()
    except (psutil.Error, ValueError):  # it has ended, or is another user's, or not of this ARC
        return False
