"""The command line of the monitor: a table, JSON, or metrics for Prometheus; once, or until it is stopped."""

import os
import sys
import threading
import time
from argparse import ArgumentTypeError
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn

from rich.console import Console, Group
from rich.live import Live

from arc_core.errors import ArcError
from arc_core.experiments.memory import open_memory
from arc_core.gpu.metrics import serve
from arc_core.gpu.snapshot import Snapshot, source_of, take_snapshot
from arc_core.settings import get_settings
from flows.arguments import parser_for
from flows.command_line import guarded
from flows.gpu_table import gpu_table
from flows.lease_table import lease_table

SHORTEST_S, LONGEST_S = 0.5, 600.0
WIDTH = 160  # a pipe has none of its own


def monitor_command() -> NoReturn:
    """`python -m flows.monitor`."""
    parser = parser_for("python -m flows.monitor", "Show the GPUs, and which experiment trains on which.")
    how_long = parser.add_mutually_exclusive_group()
    how_long.add_argument("--once", action="store_true", help="one reading (the default)")
    how_long.add_argument("--watch", action="store_true", help="go on until Ctrl-C")
    parser.add_argument("--json", action="store_true", help="a JSON document for each reading, one per line")
    parser.add_argument(
        "--prometheus", type=_port, metavar="PORT", help="serve metrics on 127.0.0.1:PORT until Ctrl-C"
    )
    parser.add_argument(
        "--interval",
        type=_interval,
        metavar="SECONDS",
        help=f"between readings, {SHORTEST_S:g} to {LONGEST_S:g}; default ARC_GPU_INTERVAL_S",
    )
    given = parser.parse_args()
    if given.once and given.prometheus is not None:
        parser.error("--prometheus serves until it is stopped; leave out --once")
    if given.interval is not None and not given.watch:
        parser.error("--interval needs --watch; Prometheus asks at an interval of its own")
    sys.exit(guarded(lambda: _monitor(given.watch, given.json, given.prometheus, given.interval)))


def _monitor(watch: bool, as_json: bool, port: int | None, interval_s: float | None) -> None:
    look = _eye()
    with suppress(KeyboardInterrupt):  # Ctrl-C or SIGTERM is how a watch is meant to end
        first = look()
        if port is not None:
            print(f"metrics: {serve(port, look, _complain)}", file=sys.stderr, flush=True)
        if port is not None and not watch:
            threading.Event().wait()
        try:
            _show(first, look, as_json, interval_s or get_settings().gpu_interval_s if watch else None)
        except BrokenPipeError:  # the reader has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _eye() -> Callable[[], Snapshot]:
    """Takes a snapshot when called. Whether it is of real GPUs is settled here, for good."""
    settings = get_settings()
    source = source_of(settings.gpu_mode)

    def look() -> Snapshot:
        leases = open_memory(settings.store_url).leases.live() if settings.has_store else ()
        return take_snapshot(source, datetime.now(UTC), leases)

    return look


def _show(first: Snapshot, look: Callable[[], Snapshot], as_json: bool, interval_s: float | None) -> None:
    """The first snapshot; with an interval, then one after the other."""
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=WIDTH)
    if as_json or interval_s is None or not console.is_terminal:
        snapshot = first
        while True:
            _print(snapshot, console, as_json)
            if interval_s is None:
                return
            time.sleep(interval_s)
            snapshot = look()
    with Live(_tables(first, console), console=console, auto_refresh=False) as live:
        while True:
            time.sleep(interval_s)
            live.update(_tables(look(), console), refresh=True)


def _print(snapshot: Snapshot, console: Console, as_json: bool) -> None:
    if as_json:
        print(snapshot.model_dump_json(), flush=True)
    else:
        console.print(_tables(snapshot, console))


def _tables(snapshot: Snapshot, console: Console) -> Group:
    return Group(gpu_table(snapshot, console.width), lease_table(snapshot))


def _complain(error: ArcError) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ArgumentTypeError(f"{text!r} is not a port, a whole number from 1 to 65535")
    return int(text)


def _interval(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1
    if not SHORTEST_S <= seconds <= LONGEST_S:
        raise ArgumentTypeError(f"{text!r} is not a number of seconds from {SHORTEST_S:g} to {LONGEST_S:g}")
    return seconds
