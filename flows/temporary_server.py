"""Prefect's temporary server, which a flow starts where PREFECT_API_URL names none."""

import atexit
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from prefect.settings import get_current_settings

from arc_core.config import CONFIGS
from flows.signals import is_stopped

if TYPE_CHECKING:
    from prefect.server.api.server import SubprocessASGIServer

P = ParamSpec("P")
R = TypeVar("R")

log = logging.getLogger(__name__)
STARTS = (
    10  # of a server that dies again and again; then the cycle fails, and is taken up by the next command
)
PAUSE_S = 1.0
PORT_TAKEN = 3  # uvicorn's exit code
LOGGING_PATHS = (
    "PREFECT_LOGGING_CONFIG_PATH",
    "PREFECT_LOGGING_SETTINGS_PATH",
)  # the second is the older name
_over = threading.Event()


def log_to_arc() -> None:
    """Have the servers that this process starts log to ARC's file: the terminal has ARC's tables.

    A service that meets a locked database tries again, and would print two pages of traceback each time. This
    process has set up its own log before.
    """
    asked_for = {"PREFECT_LOGGING_LEVEL", *LOGGING_PATHS}
    if not asked_for & os.environ.keys():
        os.environ[LOGGING_PATHS[0]] = str(CONFIGS / "temporary_server.yml")


def on_a_kept_server(flow: Callable[P, R]) -> Callable[P, R]:
    """The flow, on a server that Ctrl-C in the terminal does not reach, and that is there again if it dies.

    The flow's end needs its answers, and asks for them for minutes. A process started while a signal is
    blocked never gets it; SIGTERM, by which Prefect ends the server, is not blocked.
    """

    @wraps(flow)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        settings = get_current_settings()
        if settings.api.url is None and settings.server.ephemeral.enabled:
            from prefect.server.api.server import SubprocessASGIServer  # what the flow's client will import

            server = SubprocessASGIServer()  # the very one that the flow will find
            if not server.running:
                os.environ.setdefault("UVICORN_LOOP", "flows.prefect_server:loop_factory")
                # Before it is there: Prefect waits for minutes for one that died while it started.
                threading.Thread(target=_keep, args=(server,), daemon=True).start()
                _out_of_reach_of_ctrl_c(server.start)
                atexit.register(_over.set)  # before Prefect's own handler, which ends the server
        return flow(*args, **kwargs)

    return call


def _keep(server: "SubprocessASGIServer") -> None:
    """Where its process is killed, start another: on the same port, with the same database."""
    for _ in range(STARTS):
        while (process := server.server_process) is None:  # it has yet to be started
            time.sleep(PAUSE_S / 10)
            if _over.is_set() or is_stopped():
                return
        code = process.wait()
        time.sleep(PAUSE_S)
        if _over.is_set() or is_stopped():
            return
        if server.server_process is not process or code == PORT_TAKEN:  # Prefect sees to it itself
            continue
        log.warning("Prefect's temporary server has ended with %d and is started again", code)
        server.server_process = _out_of_reach_of_ctrl_c(server._run_uvicorn_command)


def _out_of_reach_of_ctrl_c(start: Callable[[], R]) -> R:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        return start()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
