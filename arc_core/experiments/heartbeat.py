"""The heartbeat of a lease: what tells other hosts that its job lives."""

import threading
import time
from types import TracebackType
from typing import Self

from arc_core.errors import StoreError
from arc_core.experiments.lease import Lease
from arc_core.experiments.leases import Leases

BEATS = 6
"""Heartbeats in the length of a lease: with 60 s, one small write every 10 s for each job."""


class Heartbeat:
    """Beats in a thread of its own from entry to exit; `lost` is set once the lease is not held any more."""

    def __init__(self, leases: Leases, lease: Lease) -> None:
        self._leases, self._lease = leases, lease
        self._left, self.lost = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()

    def _beat(self) -> None:
        length_s = self._lease.request.length_s
        last = time.monotonic()
        while not self._left.wait(length_s / BEATS):
            began = time.monotonic()
            try:
                held, last = self._leases.beat(self._lease), began
            except StoreError:  # silence isn't death, before the others have to take it for that
                held = time.monotonic() - last < length_s
            if not held:
                self.lost.set()
                return
