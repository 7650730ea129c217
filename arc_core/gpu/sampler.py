"""Watches the GPUs while a cycle runs, and keeps what they did."""

import threading
from datetime import UTC, datetime

from arc_core.errors import ArcError
from arc_core.experiments.memory import Memory
from arc_core.experiments.sample import Sample, Watch
from arc_core.gpu.snapshot import Source, source_of, take_snapshot
from arc_core.settings import GpuMode

BATCH_S = 60.0  # a write once a minute: what a crash may lose of the series


class Sampler:
    """A reading every `interval_s`, written to the store in batches.

    A failed reading is counted, its reason kept, and the next is tried: a sampler ends nothing but itself.
    """

    def __init__(self, memory: Memory, cycle_id: int, mode: GpuMode, interval_s: float) -> None:
        self._memory, self._cycle_id, self._mode = memory, cycle_id, mode
        self._unwritten: list[Sample] = []
        self._watch = Watch(started=datetime.now(UTC), interval_s=interval_s)

    @property
    def readings(self) -> int:
        """How many have been tried so far."""
        return self._watch.readings

    def run(self, stop: threading.Event) -> Watch:
        """Sample until `stop`; at once done where no GPU is, or none that can be read."""
        try:
            source = self._source()
            if source is not None:
                self._sample(source, stop)
        except ArcError as error:
            self._note(error)
        self._change(ended=datetime.now(UTC))
        self._memory.samples.keep_watch(self._cycle_id, self._watch)
        return self._watch

    def _source(self) -> Source | None:
        """None: there is nothing to watch. Unlike the monitor, a cycle does not make up GPUs unasked."""
        source = source_of(self._mode)
        return None if source == "simulated" and self._mode == "auto" else source

    def _sample(self, source: Source, stop: threading.Event) -> None:
        interval_s = self._watch.interval_s
        readings = 0
        while True:
            self._read(source)
            readings += 1
            done = stop.wait(interval_s)
            if done or readings * interval_s >= BATCH_S:
                self._write()
                readings = 0
            if done:
                return

    def _read(self, source: Source) -> None:
        self._change(readings=self._watch.readings + 1)
        try:
            snapshot = take_snapshot(source, datetime.now(UTC), self._memory.leases.held())
        except ArcError as error:
            self._note(error)
        else:
            self._unwritten += snapshot.samples
            self._change(simulated=snapshot.simulated, gpus={gpu.index: gpu.name for gpu in snapshot.gpus})

    def _write(self) -> None:
        try:
            self._memory.samples.keep(self._cycle_id, self._unwritten)
            self._memory.samples.keep_watch(self._cycle_id, self._watch)
        except ArcError as error:
            self._note(error)
        self._unwritten = []

    def _note(self, error: ArcError) -> None:
        self._change(failed=self._watch.failed + 1, fault=self._watch.fault or str(error))

    def _change(self, **fields: object) -> None:
        self._watch = self._watch.model_copy(update=fields)
