"""Ctrl-C and SIGTERM to a command: the first lets what runs end well, a second one ends it at once."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

import psutil

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # the last: its terminal was closed

AGAIN = signal.SIGUSR1  # no stop, which would count as a second one; nobody else sends it
AGAIN_S = 0.05


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a command takes a stop: what it says at once, how long it takes at most, its exit code."""

    says: str
    within_s: float
    exit_code: int


STOPPED = "Stopped. What had finished is kept; the same command goes on from there."
AT_ONCE = (
    "A second signal: all of it ends at once. What is recorded is kept; the same command goes on from there."
)
SECOND = 130  # as a shell calls a program that Ctrl-C has ended

PLAIN = Manner(says="", within_s=10.0, exit_code=130)
CYCLE = Manner(
    says=(
        "Stopping: nothing more is begun, and what trains writes a checkpoint, within 25 s. "
        "A second Ctrl-C or SIGTERM ends all at once, without loss."
    ),
    within_s=25.0,
    exit_code=0,
)

_stopped = threading.Event()
_acts: list[Callable[[], None]] = []


def heed(manner: Manner) -> None:
    """From here on a signal is a KeyboardInterrupt in the main thread, whatever else it ends.

    A service manager's stop is a person's Ctrl-C. Either may reach Prefect's server too, and what then waits
    for its answer must not hold the terminal: a thread watches the time, and for a second signal.
    """
    for number in STOPS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, _interrupt)
    signal.signal(AGAIN, _interrupt)
    sys.unraisablehook = _raise_anew
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(reader, manner), daemon=True).start()


def when_stopped(act: Callable[[], None]) -> None:
    """Have this done at the first signal, in a thread of its own: the main one may be held up."""
    _acts.append(act)


def take_back() -> None:
    """Undo that a flow has put Prefect's handler of SIGTERM in the place of ours.

    That one hands the signal on once the flow has ended, which would count as a second one.
    """
    if signal.getsignal(signal.SIGINT) is _interrupt:
        signal.signal(signal.SIGTERM, _interrupt)


def is_stopped() -> bool:
    """Whether this process was told to stop: what fails from then on, fails of that."""
    return _stopped.is_set()


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    _stopped.set()
    raise KeyboardInterrupt


def _raise_anew(lost: "sys.UnraisableHookArgs") -> None:
    """What is raised in a destructor or a weak reference's callback is dropped: interrupt once more."""
    if lost.exc_type is KeyboardInterrupt and is_stopped():
        main = threading.main_thread().ident
        again = threading.Timer(AGAIN_S, signal.pthread_kill, (main, AGAIN))  # at once it would be lost anew
        again.daemon = True
        again.start()
    else:
        sys.__unraisablehook__(lost)


def _watch(reader: int, manner: Manner) -> None:
    repeated = _next_stop(reader) == signal.SIGTERM and signal.getsignal(signal.SIGTERM) is not _interrupt
    _stopped.set()
    _say(manner.says)
    for act in _acts:
        threading.Thread(target=act, daemon=True).start()
    over = threading.Timer(manner.within_s, _end_all, (STOPPED, manner.exit_code))
    over.daemon = True
    over.start()
    if repeated:  # by Prefect, in whose first moments the signal has come
        _next_stop(reader)
    _next_stop(reader)
    _end_all(AT_ONCE, SECOND)


def _next_stop(reader: int) -> int:
    while (number := os.read(reader, 1)[0]) not in STOPS:
        continue
    return number


def _end_all(words: str, code: int) -> NoReturn:
    """No process that this one has started is left behind: trainings, what forks them, Prefect's server."""
    with suppress(psutil.NoSuchProcess):
        for each in psutil.Process().children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                each.kill()
    _say(words)
    os._exit(code)


def _say(words: str) -> None:
    if words:
        with suppress(OSError):  # nobody may be there to read it
            os.write(sys.stderr.fileno(), f"{words}\n".encode())
