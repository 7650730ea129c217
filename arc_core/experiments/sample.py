"""What the GPUs did during a cycle, as the store keeps it."""

from collections.abc import Iterable
from datetime import datetime

from pydantic import Field

from arc_core.experiments.lease import Lease
from arc_core.record import Record


class Job(Record):
    """Who holds a lease on a GPU: an experiment, or `inference`."""

    gpu_index: int = Field(ge=0)
    name: str
    since: datetime | None = None


def jobs_of(leases: Iterable[Lease]) -> tuple[Job, ...]:
    """A job for each GPU of each lease that is held."""
    return tuple(
        Job(gpu_index=index, name=lease.request.experiment_id or lease.request.purpose, since=lease.granted)
        for lease in leases
        if lease.granted is not None
        for index in lease.gpu_ids
    )


class Sample(Record):
    """One GPU at one moment. `jobs`: the names of those on it. What a card does not offer is None."""

    at: datetime
    gpu_index: int = Field(ge=0)
    memory_used_mib: float = Field(ge=0)
    memory_total_mib: float = Field(ge=0)
    utilisation_percent: float | None = None
    temperature_c: float | None = None
    fan_percent: float | None = None
    power_w: float | None = None
    jobs: tuple[str, ...] = ()
    simulated: bool


class GpuTotal(Record):
    """What the readings of one GPU in one cycle come to; None where the card does not tell."""

    cycle_id: int
    gpu_index: int
    job_share: float = Field(description="of its readings, those that found a job on it")
    training_percent: float | None = Field(description="mean utilisation over those")
    percent: float | None = Field(description="mean utilisation over all")
    peak_memory_mib: float
    simulated: bool


class Watch(Record):
    """One stretch of a cycle in which its GPUs were watched; a cycle that was taken up again has several.

    `gpus`: index → name; none on a machine that trains on its CPU. `failed` of the readings failed, the
    first for the reason `fault`.
    """

    started: datetime
    ended: datetime | None = None
    interval_s: float = Field(gt=0)
    simulated: bool = False
    gpus: dict[int, str] = {}
    readings: int = Field(0, ge=0)
    failed: int = Field(0, ge=0)
    fault: str = ""
