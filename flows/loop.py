"""The loop of the command line: cycle after cycle in this process, until its rules end it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx

from arc_core.clock import steady_s, unix_s
from arc_core.errors import ArcError, CycleFailed
from arc_core.experiments.loop import Loop
from arc_core.experiments.memory import open_memory
from arc_core.report.summary import CycleSummary
from arc_core.settings import get_settings
from flows.footprint import give_back, keep_small
from flows.signals import when_stopped
from flows.terminal import Terminal, counted
from tasks.loop import SIGNAL

SERVER_S = 3600.0  # how long a loop waits for a Prefect server that is away
SERVER_POLL_S = 15.0
LOOK_S = 1.0  # how late a stop is noticed during a wait; each look is one read of one row


def run_loop(arc: Callable[..., CycleSummary], given: dict[str, object]) -> None:
    """Run cycles as `given` says, and show each; the last line says why there is no further one.

    CycleFailed when that is a failure, ArcError when the last cycle's experiments all failed.
    """
    before = _latest()

    def begun() -> Loop | None:
        loop = _latest()
        return None if loop is None or (before is not None and loop.id == before.id) else loop

    def end() -> None:
        if loop := begun():
            open_memory(get_settings().store_url).loops.end(loop, SIGNAL)

    when_stopped(end)
    try:
        _run(arc, given, lambda: given["max_cycles"] != 1 and begun() is not None)
    except KeyboardInterrupt:
        end()
        raise


def _latest() -> Loop | None:
    settings = get_settings()
    return open_memory(settings.store_url).loops.latest() if settings.has_store else None


def _run(
    arc: Callable[..., CycleSummary], given: dict[str, object], waits_for_server: Callable[[], bool]
) -> None:
    max_minutes = given.pop("max_minutes")
    assert max_minutes is None or isinstance(max_minutes, float)
    deadline = None if max_minutes is None else unix_s() + 60 * max_minutes
    terminal, done, go_on, heard = Terminal(), 0, False, steady_s()
    keep_small()
    while True:
        left = None if deadline is None else (deadline - unix_s()) / 60
        try:
            with terminal.progress("the cycle runs"):
                summary = arc(**given, max_minutes=left, go_on=go_on)
        except CycleFailed as failed:
            if failed.until is None or _is_late(failed.until, deadline):
                raise
            terminal.say(str(failed))
            until: datetime | None = failed.until
        except Exception as error:
            if not is_unreachable(error) or not waits_for_server() or steady_s() - heard > SERVER_S:
                raise
            terminal.say(f"The loop waits for the Prefect server: {error}")
            until = datetime.now(UTC) + timedelta(seconds=SERVER_POLL_S)
        else:
            heard = steady_s()
            if summary.cycle:
                open_memory(get_settings().store_url).archive.forget()
                give_back(first=not done)
                terminal.show_cycle(summary)
                done += 1
            if summary.loop.goes == "stop":
                terminal.say(f"Stopped after {counted(done, 'cycle')}: {summary.loop.reason}.")
                return _need_one_that_ran(summary)
            until = summary.loop.until
            if until is not None:
                terminal.say(summary.loop.words)
                if _is_late(until, deadline):
                    return _need_one_that_ran(summary)
        _wait(until)
        go_on = True


def is_unreachable(error: BaseException) -> bool:
    """Whether it says that no Prefect server answers."""
    return "Failed to reach API at" in str(error) or isinstance(error, httpx.TransportError)


def _is_late(until: datetime, deadline: float | None) -> bool:
    """Whether the time of `--max-minutes` is over by then; so is the loop."""
    loops = open_memory(get_settings().store_url).loops
    loop = loops.latest()
    if deadline is None or unix_s() + _left_s(until) < deadline or loop is None:
        return False
    loops.end(loop, "no time is left to try it again")
    return True


def _wait(until: datetime | None) -> None:
    """Till then, or till a stop is asked for; no longer where the clock is set back meanwhile."""
    loops = open_memory(get_settings().store_url).loops
    over = steady_s() + (0.0 if until is None else _left_s(until))
    while (left := over - steady_s()) > 0:
        loop = loops.latest()
        if loop is None or loop.stop_asked or loop.ended:
            return
        time.sleep(min(left, LOOK_S))


def _left_s(until: datetime) -> float:
    """Seconds of a wait that are left: never more than it had at its beginning, the end of the last turn.

    The host's clock may have been set back since.
    """
    loops = open_memory(get_settings().store_url).loops
    loop = loops.latest()
    began = [turn.ended for turn in loops.turns(loop)[-1:]] if loop is not None else []
    return min((until - moment).total_seconds() for moment in (datetime.now(UTC), *began))


def _need_one_that_ran(summary: CycleSummary) -> None:
    own = [row for row in summary.rows if row.cycle == summary.cycle] or summary.rows
    if own and all(row.status == "failed" for row in own):
        raise ArcError(f"all experiments of cycle {summary.cycle} failed; the table and the report say why")
