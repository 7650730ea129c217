"""`python -m flows.stop`: the loop ends after the cycle at hand, or with `--now` at once."""

import os
import signal
import sys
from pathlib import Path

from arc_core.errors import ArcError, CycleBusy
from arc_core.experiments.holder import Holder
from arc_core.experiments.home import holder_of, only_cycle_in
from arc_core.experiments.memory import Memory, open_memory
from arc_core.settings import get_settings
from flows.arguments import parser_for
from flows.command_line import guarded


def stop_command() -> None:
    """Ask the loop of this ARC home to stop; a new start of one clears it."""
    parser = parser_for("python -m flows.stop", "Stop the loop of research cycles in this ARC home.")
    parser.add_argument(
        "--now", action="store_true", help="at once: what trains keeps what it has, and can go on later"
    )
    given = parser.parse_args()
    sys.exit(guarded(lambda: _stop(given.now)))


def _stop(now: bool) -> None:
    settings = get_settings()
    home = settings.home.resolve()
    memory = open_memory(settings.store_url) if settings.has_store else None
    loop = memory.loops.ask_stop() if memory is not None else None
    cycle = _running(home)
    if loop is None and cycle is None:
        return print(f"No loop goes on in {home}; there is nothing to stop.")
    if now:
        if memory is not None and loop is not None:
            memory.loops.end(loop, "a stop at once was asked for")
        signalled = _interrupt(memory, cycle)
        return print(f"Stopped at once: {signalled or 'nothing ran'}. Starting the loop goes on from there.")
    if memory is None or (loop is None and memory.loops.latest() is None):
        raise ArcError(f"{cycle} is just starting, and can't be asked yet; ask again, or use --now")
    if loop is None:
        return print(f"No loop goes on; one that {cycle} is just starting stops before its first cycle.")
    if cycle is not None:
        return print(f"The loop stops after the cycle at hand, of {cycle}.")
    memory.loops.end(loop, "a stop was asked for")
    return print("The loop has stopped; no cycle was running.")


def _running(home: Path) -> Holder | None:
    """The process of the cycle, or of the loop in a terminal, that holds the home now."""
    if not (home / "cycle.lock").exists():  # to ask would make it
        return None
    try:
        with only_cycle_in(home):
            return None
    except CycleBusy:
        if (holder := holder_of(home)) is None:  # nobody whom we could name or signal
            raise
        return holder


def _interrupt(memory: Memory | None, cycle: Holder | None) -> str:
    """Signal the cycle first, so that it starts nothing more, then the trainings that are not its own."""
    leases = memory.leases.live() if memory is not None else ()
    trainings = [each.holder for each in leases if each.request.purpose == "training"]
    holders = [each for each in dict.fromkeys([cycle, *trainings]) if each is not None]
    told = [each for each in holders if each.is_here and not each.is_dead()]
    for each in told:
        os.kill(each.pid, signal.SIGTERM)
    elsewhere = [f"{each} is to be stopped there" for each in holders if not each.is_here]
    return ", ".join([*(f"{each} was told" for each in told), *elsewhere])


if __name__ == "__main__":
    stop_command()
