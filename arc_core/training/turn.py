"""An experiment's turn: its place in line, then its lease, kept until what it used is verified free."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from math import inf

import psutil

from arc_core.errors import ArcError, LeaseLost, NoRoom
from arc_core.experiments.heartbeat import Heartbeat
from arc_core.experiments.holder import Holder
from arc_core.experiments.lease import Lease, Request
from arc_core.experiments.leases import Leases
from arc_core.gpu.allocation import Policy, allocate, busy_pids, need_fit
from arc_core.gpu.inventory import read_inventory
from arc_core.training.process import Event

POLL_S = 0.2
"""How often a job in line looks whether it is its turn: one indexed read, well under a millisecond."""
ROOM_POLL_S = 0.5
"""How often one asks again that found the GPUs full, or its experiment in another's hands."""
WAIT_FOR_ROOM_S = 3600.0  # then the experiment is left for a later cycle, and this one goes on
FREE_WAIT_S = 10.0
"""What the driver may take until an ended process is off its GPU."""


class Turn:
    """A lease that is held. `stop` is set when its job has to end: told so, or the lease was lost."""

    def __init__(self, leases: Leases, lease: Lease, lost: threading.Event, stop: threading.Event) -> None:
        self._leases, self.lease, self._lost = leases, lease, lost
        self.stop: threading.Event = _Either(lost, stop)
        self._workers: tuple[Holder, ...] = ()

    def on_event(self, event: Event) -> None:
        """Take note of the worker's processes."""
        if event["event"] == "started":
            for pid in event["pids"]:
                with suppress(psutil.NoSuchProcess):  # it has failed already
                    self._workers += (Holder.of(pid),)
            self._leases.used_by(self.lease, self._workers)

    def why_stopped(self, reason: Exception) -> str:
        """The reason to record of a training that was stopped with this one."""
        return f"lease {self.lease.id} ran out, so it was stopped" if self._lost.is_set() else str(reason)

    def leave(self) -> None:
        """Give the lease back once none of the job's processes is left; if some stay, so does the lease."""
        until = time.monotonic() + FREE_WAIT_S
        while (reason := self._left_behind()) and time.monotonic() < until:
            time.sleep(POLL_S)
        if reason:
            logging.getLogger(__name__).warning(reason)
            self._leases.leave_behind(self.lease, reason)
        else:
            self._leases.free(self.lease)

    def _left_behind(self) -> str:
        used = self.lease.model_copy(update={"workers": self._workers})
        try:
            pids = used.remains(busy_pids(read_inventory()) if used.gpu_ids else {})
        except ArcError as error:  # a GPU that can't be read is no free GPU
            return f"lease {used.id} is kept: {error}"
        where = f" on GPU {', '.join(map(str, used.gpu_ids))}" if used.gpu_ids else ""
        who = f"{used.request} has ended and left pid {', '.join(map(str, pids))}{where}"
        return f"lease {used.id} is kept: {who}" if pids else ""


@contextmanager
def turn_of(
    request: Request,
    leases: Leases,
    policy: Policy,
    *,
    may_train: Callable[[], bool],
    over: Callable[[], bool],
    stop: threading.Event,
) -> Iterator[Turn | None]:
    """Wait for the request's turn and hold its lease; None when there is nothing left to train.

    While another process trains the experiment it is waited for, until `may_train` no longer says so.
    Once `over`, one last try. NoRoom with the reason when the turn did not come in time; LeaseDenied at
    once when it never could.
    """
    held: Lease | None = None
    with ExitStack() as heartbeat:
        while held is None:
            inventory = read_inventory()
            need_fit(inventory, request, policy)
            lease = leases.ask(request, Holder.this_process(), busy_pids(inventory))
            if lease is None:
                if over() or not may_train():
                    break
                stop.wait(ROOM_POLL_S)
                continue
            lost = heartbeat.enter_context(Heartbeat(leases, lease)).lost
            try:
                held = _take(lease, leases, policy, over=over, stop=stop, lost=lost)
            except LeaseLost:
                heartbeat.close()  # and again, from the end of the line
            except BaseException:
                leases.free(lease)
                raise
        if held is None:
            yield None
            return
        turn = Turn(leases, held, lost, stop)
        try:
            yield turn
        finally:
            turn.leave()


def _take(
    lease: Lease,
    leases: Leases,
    policy: Policy,
    *,
    over: Callable[[], bool],
    stop: threading.Event,
    lost: threading.Event,
) -> Lease:
    places, until = policy.max_concurrent_jobs, inf
    while True:
        ending, pause_s = over(), POLL_S
        if leases.is_next(lease, places) or ending or lost.is_set():
            inventory = read_inventory()
            choose = partial(allocate, inventory, request=lease.request, policy=policy)
            try:
                held = leases.take(lease, choose, busy_pids(inventory))
            except NoRoom:
                if ending or time.monotonic() >= until:
                    raise
                until, pause_s = min(until, time.monotonic() + WAIT_FOR_ROOM_S), ROOM_POLL_S
            else:
                if held is not None:
                    return held
                if ending:
                    raise NoRoom("others are before it in line")
        else:
            until = inf
        stop.wait(pause_s)


class _Either(threading.Event):
    """Set when one of two events is; only asked with `is_set`."""

    def __init__(self, one: threading.Event, other: threading.Event) -> None:
        super().__init__()
        self._events = (one, other)

    def is_set(self) -> bool:
        return any(event.is_set() for event in self._events)
