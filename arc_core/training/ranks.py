"""The processes of one training, as each of them sees the others. A training in one process is alone."""

import os
from datetime import timedelta

import torch
from torch import distributed

from arc_core.training.plan import TrainingPlan
from arc_core.training.process import RENDEZVOUS_VARIABLE

# A rank that has died is seen by `process.run_worker` at once; this bounds what nobody foresaw.
COLLECTIVE_TIMEOUT = timedelta(minutes=10)


def join(plan: TrainingPlan) -> None:
    """Meet the training's other processes; nothing to do for one without a strategy."""
    if plan.training.strategy is None or distributed.is_initialized():
        return
    rank = int(os.environ["RANK"])
    if plan.system.device == "cuda":
        torch.cuda.set_device(rank)
    distributed.init_process_group(
        "nccl" if plan.system.device == "cuda" else "gloo",
        init_method=f"file://{os.environ[RENDEZVOUS_VARIABLE]}",
        rank=rank,
        world_size=plan.training.devices,
        timeout=COLLECTIVE_TIMEOUT,
    )


def count() -> int:
    return distributed.get_world_size() if distributed.is_initialized() else 1


def this() -> int:
    return distributed.get_rank() if distributed.is_initialized() else 0


def barrier() -> None:
    if count() > 1:
        distributed.barrier()


def share(positions: torch.Tensor) -> tuple[torch.Tensor, int]:
    """This process's part of (n,) positions, dealt in turn, and how many of it count.

    All parts are of one size, since every process must pass the network as often as the others: where there
    are too few, the last of a part is a repetition. `gathered` puts the parts together again.
    """
    mine = positions[this() :: count()]
    missing = -(-len(positions) // count()) - len(mine)
    return torch.cat([mine, positions[:missing]]), len(mine)


def gathered(part: torch.Tensor, total: int) -> torch.Tensor:
    """Every process's part of `total` rows, dealt by `share`, in their first order. On every process."""
    if count() == 1:
        return part
    parts = [torch.empty_like(part) for _ in range(count())]
    distributed.all_gather(parts, part.contiguous())
    return torch.stack(parts, dim=1).flatten(0, 1)[:total]


def mean(values: torch.Tensor) -> torch.Tensor:
    """The mean over the processes, element by element."""
    if count() == 1:
        return values
    summed = values.clone()
    distributed.all_reduce(summed)
    return summed / count()


def agreed(yes: bool, device: torch.device) -> bool:
    """What the first process says, on all of them: a clock must not part them."""
    if count() == 1:
        return yes
    said = torch.tensor([int(yes)], device=device)
    distributed.broadcast(said, src=0)
    return bool(said.item())


def anyone(yes: bool, device: torch.device) -> bool:
    """Whether it is so in any of them: they have to do the same."""
    if count() == 1:
        return yes
    said = torch.tensor([int(yes)], device=device)
    distributed.all_reduce(said, distributed.ReduceOp.MAX)
    return bool(said.item())


def of_each(mine: torch.Tensor) -> torch.Tensor:
    """Each process's own (…), as (processes, …). On every process."""
    if count() == 1:
        return mine.unsqueeze(0)
    all_of_them = [torch.empty_like(mine) for _ in range(count())]
    distributed.all_gather(all_of_them, mine.contiguous())
    return torch.stack(all_of_them)


def remember_for_all(network: torch.nn.Module) -> None:
    """Let batch norm forget as fast as in one process, which would see all the processes' micro-batches."""
    for layer in network.modules():
        if isinstance(layer, torch.nn.modules.batchnorm._BatchNorm) and layer.momentum is not None:
            layer.momentum = 1 - (1 - layer.momentum) ** count()


def average_running_statistics(network: torch.nn.Module) -> None:
    """Give every process the mean of all batch norms' running means and variances.

    Each process has seen its own micro-batches, and one network is to come of it.
    """
    if count() == 1:
        return
    for buffer in network.buffers():
        if buffer.is_floating_point():
            buffer.copy_(mean(buffer))
