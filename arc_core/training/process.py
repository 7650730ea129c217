"""A training's worker processes, one for each device: started, listened to, and always ended."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from math import inf
from pathlib import Path
from typing import IO, Any

from arc_core.clock import unix_s
from arc_core.errors import BadInput, DatasetError, ExperimentFailed, OutOfTime, StoreError
from arc_core.provenance.files import clear_errors, write_atomically
from arc_core.training.child import Child, Start, start_cold
from arc_core.training.memory_limit import as_it_was_left, with_halved_micro_batch
from arc_core.training.plan import TrainingPlan

Event = dict[str, Any]
RENDEZVOUS_VARIABLE = "ARC_RENDEZVOUS"
"""Names the file by which the processes of one training find each other, so that no port is opened."""

GRACE_S = 5.0
CHECKPOINT_S = 15.0
"""What a training may take to the end of its step and its checkpoint, when a person or a signal stops it."""
POLL_S = 0.2
OF_MACHINE: dict[str, type[BadInput]] = {"StoreError": StoreError, "DatasetError": DatasetError}
"""What a worker may meet that is no fault of its experiment: the disk, images that were there before."""
_LOG_LINES = 12


def run_worker(
    plan: TrainingPlan,
    *,
    on_event: Callable[[Event], None],
    deadline: float | None = None,
    stop: threading.Event | None = None,
    start: Start = start_cold,
) -> TrainingPlan:
    """Train `plan` in processes of its own; returns the plan that was carried out, when every fold is done.

    It differs from what was asked where the memory did not suffice: then smaller micro-batches are tried,
    and the plan's `deviations` say so. `deadline` is Unix time in seconds (`clock.unix_s`). `on_event` gets
    each line of the worker's protocol, in the calling thread. Raises OutOfTime at the deadline or when
    `stop` is set; StoreError when its files can't be written, DatasetError when images can't be read;
    otherwise ExperimentFailed with the reason, the plan's own job time-out among them.
    However this call ends, the workers' whole process groups have ended too. They are told by SIGTERM: who
    trains writes a checkpoint then.
    """
    with clear_errors(Path(plan.run_dir)):
        Path(plan.run_dir).mkdir(parents=True, exist_ok=True)
    limits = Limits(deadline, plan.system.job_timeout_s, stop or threading.Event())
    plan = as_it_was_left(plan)
    while True:
        write_atomically(plan.path, plan.model_dump_json(indent=1).encode())
        try:
            _train(plan, on_event, limits, start)
        except OutOfMemory as error:
            plan = with_halved_micro_batch(plan, str(error))
        else:
            return plan


class OutOfMemory(ExperimentFailed):
    """The training needs less on the device at once."""


class WorkerKilled(ExperimentFailed):
    """By SIGKILL, which ARC sends to none that it listens to: by a person, or where memory is short."""


def _train(plan: TrainingPlan, on_event: Callable[[Event], None], limits: "Limits", start: Start) -> None:
    """Start every process of the training, listen to them, and end them."""
    log_path = Path(plan.run_dir) / "worker.log"
    log_start = log_path.stat().st_size if log_path.exists() else 0
    workers: list[Child] = []
    with tempfile.TemporaryDirectory(prefix="arc-ranks-") as folder, log_path.open("ab") as log:
        meeting = {RENDEZVOUS_VARIABLE: str(Path(folder) / "rendezvous")}
        limits.check()
        patience_s = GRACE_S
        reader, writer = os.pipe()
        try:
            try:
                for rank in range(plan.training.devices):
                    environment = plan.environment(rank) | meeting
                    workers.append(start(plan.arguments(), environment, writer, log.fileno()))
            finally:
                os.close(writer)
            last = _listen(workers, os.fdopen(reader, "rb"), on_event, limits)
            code = _exit_code(workers)
        except BaseException as error:
            if limits.is_stopped or not isinstance(error, Exception):  # else nobody may wait as long
                patience_s = CHECKPOINT_S
            raise
        finally:
            _end(workers, patience_s)
    _need_success(code, last, log_path, log_start)


def _need_success(code: int, last: Event, log_path: Path, log_start: int) -> None:
    if -code in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # no fault of the experiment's
        raise OutOfTime(f"the worker was stopped from outside by signal {-code}; what it had done is kept")
    if "machine" in last:  # its fault, which the next experiment would meet as well
        said = dict(last["machine"])
        raise OF_MACHINE[said.pop("kind")](**said)
    if code != 0 or last.get("event") != "finished":
        kind = WorkerKilled if -code == signal.SIGKILL else ExperimentFailed
        kind = OutOfMemory if last.get("out_of_memory") else kind
        raise kind(_reason(code, last, log_path, log_start))


class Limits:
    """What may end a worker early: the cycle's deadline, the experiment's own time-out, a stop."""

    def __init__(self, deadline: float | None, job_timeout_s: int | None, stop: threading.Event) -> None:
        self._deadline = inf if deadline is None else deadline
        self._timeout_s = inf if job_timeout_s is None else job_timeout_s
        self._began, self._stop = time.monotonic(), stop

    @property
    def is_stopped(self) -> bool:
        return self._stop.is_set()

    def check(self) -> None:
        """OutOfTime: a later cycle goes on from there. ExperimentFailed: it had its time."""
        if unix_s() >= self._deadline:
            raise OutOfTime("the time for this experiment is over; what it had done is kept")
        if self._stop.is_set():
            raise OutOfTime("the experiment was stopped; what it had done is kept")
        if time.monotonic() - self._began >= self._timeout_s:
            raise ExperimentFailed(f"trained longer than launch.job_timeout_s, {self._timeout_s} s")


def _listen(
    workers: Sequence[Child], stream: IO[bytes], on_event: Callable[[Event], None], limits: Limits
) -> Event:
    """Pass on events until the training has finished, one of the workers has failed, or one has died.

    Returns the last event. A failure comes from any of them; the others would wait for it in vain.
    """
    lines: queue.Queue[bytes | None] = queue.Queue()
    threading.Thread(target=_pump, args=(stream, lines), daemon=True).start()
    last: Event = {}
    while True:
        limits.check()
        try:
            line = lines.get(timeout=POLL_S)
        except queue.Empty:
            if any(worker.poll() for worker in workers):
                return last
            continue
        if line is None:
            return last
        last = json.loads(line)
        if last["event"] == "started":
            last["pids"] = [worker.pid for worker in workers]
        on_event(last)
        if last["event"] in ("failed", "finished"):
            return last


def _pump(stream: IO[bytes], lines: "queue.Queue[bytes | None]") -> None:
    with stream:
        for line in stream:
            if line.endswith(b"\n"):  # a killed worker may leave half a line
                lines.put(line)
    lines.put(None)


def _exit_code(workers: Sequence[Child]) -> int:
    """What tells most of those that are not 0: a process that was killed is why the others failed.

    Those that have said what they had to say are not waited for for ever.
    """
    until = time.monotonic() + GRACE_S
    while time.monotonic() < until:
        codes = [worker.poll() for worker in workers]
        if any(codes) or None not in codes:
            break
        time.sleep(POLL_S / 10)
    return min((code for code in (worker.poll() for worker in workers) if code), default=0)


def _end(workers: Sequence[Child], patience_s: float) -> None:
    """SIGTERM, time for a last step, then SIGKILL to all that is left, the workers' children too."""
    running = [worker for worker in workers if worker.poll() is None]
    for worker in running:
        _signal_group(worker, signal.SIGTERM)
    until = time.monotonic() + patience_s
    for worker in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            worker.wait(timeout=max(0.0, until - time.monotonic()))
    for worker in workers:
        _signal_group(worker, signal.SIGKILL)  # a group outlives its leader
        with contextlib.suppress(subprocess.TimeoutExpired):  # nobody is left to tell of a forked one's end
            worker.wait(timeout=GRACE_S)


def _signal_group(worker: Child, signal_: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS says EPERM of a dead group
        os.killpg(worker.pid, signal_)


def _reason(code: int, last: Event, log_path: Path, log_start: int) -> str:
    if last.get("event") == "failed" and code >= 0:
        return str(last["reason"])
    with log_path.open("rb") as log:
        log.seek(log_start)
        tail = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    said = "; its log ends: " + " | ".join(tail[-_LOG_LINES:]) if tail else ""
    if code < 0:
        hint = " (often: the machine ran out of memory)" if -code == signal.SIGKILL else ""
        return f"the worker was killed by signal {-code}{hint}{said}"
    return f"the worker ended with exit code {code} before it had finished{said}"
