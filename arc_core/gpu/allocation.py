"""Which GPUs a job takes. Pure: the inventory, the leases and the request are arguments."""

from collections.abc import Sequence
from typing import Self

from pydantic import Field

from arc_core.errors import LeaseDenied, NoRoom
from arc_core.experiments.lease import Lease, Purpose, Request
from arc_core.gpu.inventory import Gpu
from arc_core.record import Record
from arc_core.settings import Settings


class Policy(Record):
    """Whose the GPUs are, and how many trainings may share them."""

    training_gpus: tuple[int, ...] = (0, 1)
    inference_gpu: int = 2
    max_concurrent_jobs: int = Field(3, ge=1)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(
            training_gpus=settings.training_gpus,
            inference_gpu=settings.inference_gpu,
            max_concurrent_jobs=settings.max_concurrent_jobs,
        )

    def allows(self, purpose: Purpose, index: int) -> bool:
        """Inference has its GPU; training has the others that it was given, and never that one."""
        if purpose == "inference":
            return index == self.inference_gpu
        return index in self.training_gpus and index != self.inference_gpu


def allocate(
    inventory: Sequence[Gpu], leases: Sequence[Lease], request: Request, policy: Policy
) -> tuple[int, ...]:
    """Indices of the GPUs to take, ascending: the least loaded with room (fewest jobs, most room, lowest).

    `leases`: all that are held. A job that has just started does not show in the driver's figures yet, so
    what its lease allows counts as taken. () where the machine has no GPU at all: the CPU. Where there are
    GPUs, none is passed over for the CPU in silence, which would turn minutes into days: NoRoom, with the
    figures, when the job has to wait; LeaseDenied when no wait would help.
    """
    gpus = need_fit(inventory, request, policy)
    if request.purpose == "training":
        _need_place(leases, policy.max_concurrent_jobs)
    here = [lease for lease in leases if lease.request.host == request.host]
    on = {gpu.index: [lease for lease in here if gpu.index in lease.gpu_ids] for gpu in gpus}
    room = {gpu.index: _room_mib(gpu, on[gpu.index]) for gpu in gpus}
    roomy = [index for index, mib in room.items() if mib >= request.memory_mib]
    if len(roomy) < request.gpus and inventory:
        figures = "; ".join(_figures(gpu, room[gpu.index]) for gpu in gpus)
        blockers = sorted({lease.id for leases in on.values() for lease in leases})
        wait = f"lease {', '.join(map(str, blockers))}" if blockers else "what else runs there"
        raise NoRoom(f"{figures}; {_needs(request)}; lower batch_size or wait for {wait}")
    best = sorted(roomy, key=lambda index: (len(on[index]), -room[index], index))
    return tuple(sorted(best[: request.gpus]))


def busy_pids(inventory: Sequence[Gpu]) -> dict[int, tuple[int, ...]]:
    """GPU index → the processes that the driver sees on it."""
    return {gpu.index: tuple(process.pid for process in gpu.processes or ()) for gpu in inventory}


def emptied(inventory: Sequence[Gpu]) -> tuple[Gpu, ...]:
    """The same GPUs with nothing on them."""
    return tuple(gpu.model_copy(update={"memory_used_mib": 0.0, "processes": ()}) for gpu in inventory)


def need_fit(inventory: Sequence[Gpu], request: Request, policy: Policy) -> list[Gpu]:
    """The GPUs that this job may have; LeaseDenied when too few of them could hold it even if empty."""
    own = [gpu for gpu in inventory if policy.allows(request.purpose, gpu.index)]
    if inventory and len(own) < request.gpus:
        variable = "ARC_INFERENCE_GPU" if request.purpose == "inference" else "ARC_TRAINING_GPUS"
        raise LeaseDenied(
            f"{request} needs {_count(request.gpus)} and {variable} names {len(own)} that exist",
            got=f"GPU {', '.join(str(gpu.index) for gpu in inventory)} in this machine",
            cure=f"Set {variable} to GPUs that exist"
            + (", or lower launch.devices." if request.purpose == "training" else "."),
        )
    large = [gpu for gpu in own if gpu.memory_total_mib >= request.memory_mib]
    if inventory and len(large) < request.gpus:
        raise LeaseDenied(
            f"{_needs(request)}, more than there is",
            got="; ".join(f"GPU {gpu.index} has {_gib(gpu.memory_total_mib)} GiB" for gpu in own),
            cure="Lower batch_size, image_size_px or launch.devices.",
        )
    return own


def _need_place(leases: Sequence[Lease], places: int) -> None:
    training = [lease for lease in leases if lease.request.purpose == "training"]
    if len(training) >= places:
        whose = ", ".join(f"lease {lease.id} of {lease.request}" for lease in training)
        raise NoRoom(f"{len(training)} of {places} places (ARC_MAX_CONCURRENT_JOBS) are taken: {whose}")


def _room_mib(gpu: Gpu, leases: Sequence[Lease]) -> float:
    promised = sum(lease.request.memory_mib for lease in leases)
    return max(0.0, min(gpu.memory_free_mib, gpu.memory_total_mib - promised))


def _needs(request: Request) -> str:
    each = f" on each of {request.gpus} GPUs" if request.gpus > 1 else ""
    return f"{request} needs {_gib(request.memory_mib)} GiB{each}"


def _figures(gpu: Gpu, room_mib: float) -> str:
    return f"GPU {gpu.index} has {_gib(room_mib)} of {_gib(gpu.memory_total_mib)} GiB free"


def _count(gpus: int) -> str:
    return "1 GPU" if gpus == 1 else f"{gpus} GPUs"


def _gib(mib: float) -> str:
    return f"{mib / 1024:.1f}"
