"""The ARC home: one cycle at a time decides in it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from arc_core.errors import CycleBusy
from arc_core.experiments.holder import Holder
from arc_core.provenance.files import clear_errors

_mine: set[Path] = set()
"""Homes that this process holds: a loop keeps its home between its cycles."""


@contextmanager
def only_cycle_in(home: Path) -> Iterator[None]:
    """Hold the home for one cycle, or for a loop of them, each of which may hold it again.

    CycleBusy names the process that has it; a dead one holds nothing.
    """
    if home in _mine:
        yield
        return
    with _lock_file(home) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CycleBusy(
                f"{home} is in use by another cycle, {_named(file.buffer.read())}. "
                "Wait for it, or choose another folder with ARC_HOME."
            ) from None
        file.truncate(0)
        file.write(Holder.this_process().model_dump_json())
        file.flush()
        _mine.add(home)
        try:
            yield
        finally:
            _mine.remove(home)


def holder_of(home: Path) -> Holder | None:
    """The process that was the last to hold the home, whether it lives or not."""
    lock = home / "cycle.lock"
    return _read(lock.read_bytes()) if lock.exists() else None


def _lock_file(home: Path) -> TextIO:
    with clear_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        return (home / "cycle.lock").open("a+")


def _named(content: bytes) -> str:
    return str(_read(content) or ("which does not say its name" if content else "which is just starting"))


def _read(content: bytes) -> Holder | None:
    """None where nobody has written it yet, or something else did."""
    try:
        return Holder.model_validate_json(content)
    except ValueError:
        return None
