"""Prefect's temporary server, which a flow starts where PREFECT_API_URL names none."""

import signal
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from prefect.settings import get_current_settings

P = ParamSpec("P")
R = TypeVar("R")


def out_of_reach_of_ctrl_c(flow: Callable[P, R]) -> Callable[P, R]:
    """The flow, on a server that Ctrl-C in the terminal does not reach: the flow's end needs its answers.

    A process started while a signal is blocked never gets it. SIGTERM, by which Prefect ends it, is not.
    """

    @wraps(flow)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        settings = get_current_settings()
        if settings.api.url is None and settings.server.ephemeral.enabled:
            from prefect.server.api.server import SubprocessASGIServer  # what the flow's client will import

            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                SubprocessASGIServer().start()  # the very one that the flow will find
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return flow(*args, **kwargs)

    return call
