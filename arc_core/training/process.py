"""One training worker as a child process: started, listened to, and always ended."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import IO, Any

from arc_core.errors import ExperimentFailed, OutOfTime
from arc_core.provenance.files import write_atomically
from arc_core.training.child import Child, Start, start_cold
from arc_core.training.plan import TrainingPlan

Event = dict[str, Any]
GRACE_S = 5.0
POLL_S = 0.2
_LOG_LINES = 12


def run_worker(
    plan: TrainingPlan,
    *,
    on_event: Callable[[Event], None],
    deadline: float | None = None,
    stop: threading.Event | None = None,
    start: Start = start_cold,
) -> None:
    """Train `plan` in a process of its own; returns when every fold is done.

    `deadline` is Unix time in seconds (`time.time()`). `on_event` gets each line of the worker's
    protocol, in the calling thread. Raises OutOfTime at the deadline or when `stop` is set; otherwise
    ExperimentFailed with the reason, the plan's own job time-out among them. However this call ends,
    the worker's whole process group has ended too.
    """
    run_dir = Path(plan.run_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    write_atomically(plan.path, plan.model_dump_json(indent=1).encode())
    log_path = run_dir / "worker.log"
    log_start = log_path.stat().st_size if log_path.exists() else 0
    reader, writer = os.pipe()
    try:
        with log_path.open("ab") as log:
            process = start(plan.arguments(), plan.environment(), writer, log.fileno())
    finally:
        os.close(writer)
    try:
        last = _listen(
            process,
            os.fdopen(reader, "rb"),
            on_event,
            Limits(deadline, plan.system.job_timeout_s, stop or threading.Event()),
        )
        code = process.wait()
    finally:
        _end_group(process)
    if -code in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # no fault of the experiment's
        raise OutOfTime(
            f"the worker was stopped from outside by signal {-code}; the folds it finished are kept"
        )
    if code != 0 or last.get("event") != "finished":
        raise ExperimentFailed(_reason(code, last, log_path, log_start))


class Limits:
    """What may end a worker early: the cycle's deadline, the experiment's own time-out, a stop."""

    def __init__(self, deadline: float | None, job_timeout_s: int | None, stop: threading.Event) -> None:
        self._deadline = inf if deadline is None else deadline
        self._timeout_s = inf if job_timeout_s is None else job_timeout_s
        self._began, self._stop = time.monotonic(), stop

    def check(self) -> None:
        """OutOfTime: a later cycle goes on from the finished folds. ExperimentFailed: it had its time."""
        if time.time() >= self._deadline:
            raise OutOfTime("the time for this experiment is over; the folds it finished are kept")
        if self._stop.is_set():
            raise OutOfTime("the experiment was stopped; the folds it finished are kept")
        if time.monotonic() - self._began >= self._timeout_s:
            raise ExperimentFailed(f"trained longer than launch.job_timeout_s, {self._timeout_s} s")


def _listen(process: Child, stream: IO[bytes], on_event: Callable[[Event], None], limits: Limits) -> Event:
    """Pass on events until the worker closes its output; returns the last one."""
    lines: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_pump, args=(stream, lines), daemon=True).start()
    last: Event = {}
    while True:
        limits.check()
        try:
            line = lines.get(timeout=POLL_S)
        except queue.Empty:
            continue
        if line is None:
            return last
        last = json.loads(line)
        on_event(last)


def _pump(stream: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    with stream:
        for line in stream:
            if line.endswith(b"\n"):  # a killed worker may leave half a line
                lines.put(line)
    lines.put(None)


def _end_group(process: Child) -> None:
    """SIGTERM, a grace for the worker, then SIGKILL to all that is left, the worker's children too."""
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=GRACE_S)
    _signal_group(process, signal.SIGKILL)  # a group outlives its leader
    process.wait()


def _signal_group(process: Child, signal_: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a dead group
        os.killpg(process.pid, signal_)


def _reason(code: int, last: Event, log_path: Path, log_start: int) -> str:
    if last.get("event") == "failed":
        return str(last["reason"])
    with log_path.open("rb") as log:
        log.seek(log_start)
        tail = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    said = "; its log ends: " + " | ".join(tail[-_LOG_LINES:]) if tail else ""
    if code < 0:
        hint = " (often: the machine ran out of memory)" if -code == signal.SIGKILL else ""
        return f"the worker was killed by signal {-code}{hint}{said}"
    return f"the worker ended with exit code {code} before it had finished{said}"
