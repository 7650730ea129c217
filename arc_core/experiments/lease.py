"""A lease: the right to train one experiment, or to serve a model, on GPUs of its own or on the CPU."""

import socket
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple, Self

from pydantic import Field

from arc_core.experiments.holder import Holder
from arc_core.record import Record

Purpose = Literal["training", "inference"]
OnGpus = Mapping[int, Collection[int]]
"""GPU index → pids of the processes that the driver of this host sees on it."""


class Request(Record):
    """What a job asks for. Of a host with GPUs it gets `gpus` of them, of one without, the CPU."""

    experiment_id: str | None = Field(description="None: it trains no experiment")
    purpose: Purpose = "training"
    gpus: int = Field(1, ge=1)
    memory_mib: float = Field(ge=0, description="of each GPU")
    priority: int = Field(5, ge=-1, le=10, description="the highest first; among equals, who asked first")
    length_s: float = Field(60.0, gt=0, description="silence after which other hosts take it for dead")
    host: str = Field(default_factory=socket.gethostname, description="whose GPUs")

    def __str__(self) -> str:
        return f"experiment {self.experiment_id}" if self.experiment_id else self.purpose


class Held(NamedTuple):
    """How long a lease was held, and on how many GPUs; none: on the CPU."""

    hours: float
    gpus: int


class Lease(Record):
    """A request in line (`granted` is None), held, or left (`released`). Times are the store's clock."""

    id: int
    request: Request
    holder: Holder
    workers: tuple[Holder, ...] = Field((), description="the leaders of the processes that use its GPUs")
    gpu_ids: tuple[int, ...] = Field((), description="none: the CPU")
    asked: datetime
    granted: datetime | None = None
    heartbeat: datetime
    expires: datetime
    released: datetime | None = None
    left_behind: str = Field("", description="why it is still held although its job has ended")

    @classmethod
    def planned(cls, request: Request, gpu_ids: tuple[int, ...]) -> Self:
        """As if it were held now, for an estimate."""
        now, holder = datetime.now(UTC), Holder.this_process()
        return cls(
            id=0,
            request=request,
            holder=holder,
            gpu_ids=gpu_ids,
            asked=now,
            granted=now,
            heartbeat=now,
            expires=now,
        )

    def remains(self, on_gpus: OnGpus) -> tuple[int, ...]:
        """Pids of its workers that live, and of what the driver still sees of them on its GPUs."""
        alive = {worker.pid for worker in self.workers if not worker.is_dead()}
        seen = {
            pid
            for index in self.gpu_ids
            for pid in on_gpus.get(index, ())
            if any(worker.leads(pid) for worker in self.workers)
        }
        return tuple(sorted(alive | seen))

    def is_over(self, now: datetime, on_gpus: OnGpus) -> bool:
        """Whether what it holds is free, though nobody gave it back.

        On its own host the processes tell: a job that lives has it however long it was silent, as after
        a suspend; one that died has left it once nothing of it runs. From other hosts, silence tells, and
        in line too, where it would hold up all others.
        """
        if not self.holder.is_here:
            return self.expires <= now
        if self.granted is None:
            return self.expires <= now or self.holder.is_dead()
        return (bool(self.left_behind) or self.holder.is_dead()) and not self.remains(on_gpus)
