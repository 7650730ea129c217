"""The loop of the command line: cycle after cycle in this process, until its rules end it."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from arc_core.errors import ArcError, CycleFailed
from arc_core.experiments.loop import Loop
from arc_core.experiments.memory import open_memory
from arc_core.report.summary import CycleSummary
from arc_core.settings import get_settings
from flows.terminal import Terminal, counted
from tasks.loop import SIGNAL

LOOK_S = 1.0  # how late a stop is noticed during a wait; each look is one read of one row


def run_loop(arc: Callable[..., CycleSummary], given: dict[str, object]) -> None:
    """Run cycles as `given` says, and show each; the last line says why there is no further one.

    CycleFailed when that is a failure, ArcError when the last cycle's experiments all failed.
    """
    before = _latest()
    try:
        _run(arc, given)
    except KeyboardInterrupt:
        loop = _latest()
        if loop is not None and (before is None or loop.id != before.id):  # none may have been started yet
            open_memory(get_settings().store_url).loops.end(loop, SIGNAL)
        raise


def _latest() -> Loop | None:
    settings = get_settings()
    return open_memory(settings.store_url).loops.latest() if settings.has_store else None


def _run(arc: Callable[..., CycleSummary], given: dict[str, object]) -> None:
    max_minutes = given.pop("max_minutes")
    assert max_minutes is None or isinstance(max_minutes, float)
    deadline = None if max_minutes is None else time.time() + 60 * max_minutes
    terminal, done, go_on = Terminal(), 0, False
    while True:
        left = None if deadline is None else (deadline - time.time()) / 60
        try:
            with terminal.progress("the cycle runs"):
                summary = arc(**given, max_minutes=left, go_on=go_on)
        except CycleFailed as failed:
            if failed.until is None or _is_late(failed.until, deadline):
                raise
            terminal.say(str(failed))
            until: datetime | None = failed.until
        else:
            if summary.cycle:
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


def _is_late(until: datetime, deadline: float | None) -> bool:
    """Whether the time of `--max-minutes` is over by then; so is the loop."""
    loops = open_memory(get_settings().store_url).loops
    loop = loops.latest()
    if deadline is None or until.timestamp() < deadline or loop is None:
        return False
    loops.end(loop, "no time is left to try it again")
    return True


def _wait(until: datetime | None) -> None:
    """Till then, or till a stop is asked for."""
    loops = open_memory(get_settings().store_url).loops
    while until is not None and (left := (until - datetime.now(UTC)).total_seconds()) > 0:
        loop = loops.latest()
        if loop is None or loop.stop_asked or loop.ended:
            return
        time.sleep(min(left, LOOK_S))


def _need_one_that_ran(summary: CycleSummary) -> None:
    if summary.rows and all(row.status == "failed" for row in summary.rows):
        raise ArcError(f"all experiments of cycle {summary.cycle} failed; the table and the report say why")
