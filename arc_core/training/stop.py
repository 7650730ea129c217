"""A worker that is told to stop: from `listen` on it goes on to the end of a step, and ends there itself."""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_told: list[int] = []


def listen() -> None:
    """Take note of SIGINT and SIGTERM instead of ending at once. Only the main thread may call it."""
    for number in SIGNALS:
        signal.signal(number, _note)


def _note(number: int, frame: FrameType | None) -> None:
    _told.append(number)


def is_told() -> bool:
    """Whether this process was."""
    return bool(_told)


def end() -> NoReturn:
    """End as a process does that the signal has ended: whoever started this one sees that it was a stop."""
    number = _told[0] if _told else signal.SIGTERM  # another process of the training was told
    sys.stderr.flush()
    signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # the signal comes before
