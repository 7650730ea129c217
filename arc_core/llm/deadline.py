"""What an answer may take: a deadline that holds whatever the awaited code does, and a size."""

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import TimeoutError as NotDone
from typing import Any, TypeVar

T = TypeVar("T")

GRACE_S = 0.5  # for a cancelled call to close its connection


class TooLong(Exception):
    """The response is larger than any answer, or packed so that this can't be told."""


class _Loop:
    """An event loop in a daemon thread: a call that can't be cancelled never holds up the process's end."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.is_stuck = False
        threading.Thread(target=self.loop.run_forever, name="llm", daemon=True).start()

    def run(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        future = asyncio.run_coroutine_threadsafe(asyncio.wait_for(work, seconds), self.loop)
        try:
            return future.result(seconds + GRACE_S)
        except NotDone:  # wait_for's own, or ours where the loop itself is blocked
            self.is_stuck = not future.done()
            future.cancel()
            raise TimeoutError(f"no answer within {seconds:.0f} s") from None


_current: _Loop | None = None
_lock = threading.Lock()


def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """The result of `work`; TimeoutError once the wall clock has gone on by `seconds`."""
    global _current
    with _lock:
        if _current is None or _current.is_stuck:
            _current = _Loop()
        current = _current
    return current.run(work, seconds)
