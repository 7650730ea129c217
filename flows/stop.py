"""`python -m flows.stop`: the loop ends after the cycle at hand, or with `--now` at once."""

import os
import signal
import sys
from pathlib import Path

from arc_core.errors import CycleBusy
from arc_core.experiments.holder import Holder
from arc_core.experiments.home import holder_of, only_cycle_in
from arc_core.experiments.memory import Memory, open_memory
from arc_core.settings import get_settings
from flows.command_line import guarded, parser_for


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
    if memory is None or loop is None:
        return print(f"No loop goes on in {home}; there is nothing to stop.")
    cycle = _running(home)
    if now:
        memory.loops.end(loop, "a stop at once was asked for")
        signalled = _interrupt(memory, cycle)
        return print(f"Stopped at once: {signalled or 'nothing ran'}. Starting the loop goes on from there.")
    if cycle is not None:
        return print(f"The loop stops after the cycle at hand, of {cycle}.")
    memory.loops.end(loop, "a stop was asked for")
    return print("The loop has stopped; no cycle was running.")


def _running(home: Path) -> Holder | None:
    """The process of the cycle, or of the loop in a terminal, that holds the home now."""
    try:
        with only_cycle_in(home):
            return None
    except CycleBusy:
        return holder_of(home)


def _interrupt(memory: Memory, cycle: Holder | None) -> str:
    """Signal the cycle first, so that it starts nothing more, then the trainings that are not its own."""
    trainings = [each.holder for each in memory.leases.live() if each.request.purpose == "training"]
    holders = [each for each in dict.fromkeys([cycle, *trainings]) if each is not None]
    told = [each for each in holders if each.is_here and not each.is_dead()]
    for each in told:
        os.kill(each.pid, signal.SIGTERM)
    elsewhere = [f"{each} is to be stopped there" for each in holders if not each.is_here]
    return ", ".join([*(f"{each} was told" for each in told), *elsewhere])


if __name__ == "__main__":
    stop_command()
