"""The ARC home: one cycle at a time decides in it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from arc_core.errors import CycleBusy
from arc_core.experiments.holder import Holder
from arc_core.provenance.files import clear_errors


@contextmanager
def only_cycle_in(home: Path) -> Iterator[None]:
    """Hold the home for one cycle. CycleBusy names the process that has it; a dead one holds nothing."""
    with _lock_file(home) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise CycleBusy(
                f"{home} is in use by another cycle, {_named(file.read())}. "
                "Wait for it, or choose another folder with ARC_HOME."
            ) from None
        file.truncate(0)
        file.write(Holder.this_process().model_dump_json())
        file.flush()
        yield


def _lock_file(home: Path) -> IO[str]:
    with clear_errors(home):
        home.mkdir(parents=True, exist_ok=True)
        return (home / "cycle.lock").open("a+")


def _named(text: str) -> str:
    return str(Holder.model_validate_json(text)) if text else "which is just starting"
