"""What an experiment asks of the machine, and where it would train: for estimates, before its turn."""

from collections.abc import Sequence

from arc_core.errors import NoRoom
from arc_core.experiments.lease import Lease, Request
from arc_core.experiments.spec import ExperimentSpec
from arc_core.gpu.allocation import Policy, allocate, emptied
from arc_core.gpu.inventory import read_inventory
from arc_core.settings import Settings
from arc_core.training.cost import memory_mib
from arc_core.training.launch import LaunchConfig
from arc_core.training.plan import largest_divisor


def request_of(
    spec: ExperimentSpec, experiment_id: str | None, settings: Settings, launch: LaunchConfig
) -> Request:
    """The lease that training the spec needs; without an id, as no experiment of the study."""
    micro_batch = largest_divisor(spec.batch_size, settings.batch_size_per_gpu)
    return Request(
        experiment_id=experiment_id,
        gpus=launch.devices,
        memory_mib=memory_mib(spec, micro_batch=micro_batch, device="cuda"),
        priority=launch.priority,
        length_s=settings.lease_s,
    )


def place(request: Request, settings: Settings, held: Sequence[Lease]) -> tuple[int, ...]:
    """The GPUs that the request would get beside what is held, or that it would wait for; () for the CPU.

    LeaseDenied when it would never get any.
    """
    # Where it would train does not depend on how long it waits for one of the places.
    policy = Policy.of(settings).model_copy(update={"max_concurrent_jobs": len(held) + 1})
    inventory = read_inventory()
    try:
        return allocate(inventory, held, request, policy)
    except NoRoom:
        return allocate(emptied(inventory), (), request, policy)
