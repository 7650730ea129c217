"""All GPUs at one moment, with the experiments that train on them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from arc_core.experiments.lease import Lease
from arc_core.experiments.sample import Job, Sample, jobs_of
from arc_core.gpu.inventory import Gpu, no_driver, read_driver
from arc_core.gpu.simulation import simulated_gpus
from arc_core.record import Record
from arc_core.settings import GpuMode

Source = Literal["real", "simulated"]


class Snapshot(Record):
    """`simulated`: no GPU of it exists. Whatever shows a snapshot has to say so."""

    at: datetime
    simulated: bool
    gpus: tuple[Gpu, ...]
    leases: tuple[Lease, ...] = ()
    """Who holds a place of this store, and who waits for one; on a machine without a GPU too."""

    @property
    def jobs(self) -> tuple[Job, ...]:
        """What runs on the GPUs under a lease."""
        return jobs_of(self.leases)

    def jobs_on(self, gpu_index: int) -> tuple[Job, ...]:
        return tuple(job for job in self.jobs if job.gpu_index == gpu_index)

    @property
    def samples(self) -> tuple[Sample, ...]:
        """What is kept of it, GPU by GPU."""
        return tuple(
            Sample(
                at=self.at,
                gpu_index=gpu.index,
                simulated=self.simulated,
                jobs=tuple(job.name for job in self.jobs_on(gpu.index)),
                **gpu.model_dump(include=set(Sample.model_fields) & set(Gpu.model_fields)),
            )
            for gpu in self.gpus
        )


def source_of(mode: GpuMode) -> Source:
    """Where readings come from. Decided once: a driver that goes away later is an error, not a switch.

    `auto` is simulated without a driver. ArcError where the driver can't be read.
    """
    if mode == "auto":
        return "simulated" if read_driver() is None else "real"
    return mode


def take_snapshot(source: Source, at: datetime, leases: Sequence[Lease] = ()) -> Snapshot:
    """The GPUs now, or the simulated ones of that second. ArcError where the driver can't be read."""
    if source == "simulated":
        gpus = simulated_gpus(int(at.timestamp()))
        return Snapshot(at=at, simulated=True, gpus=gpus, leases=tuple(leases))
    found = read_driver()
    if found is None:
        raise no_driver()
    return Snapshot(at=at, simulated=False, gpus=found, leases=tuple(leases))
