"""Which GPU an experiment takes. Pure: the inventory and the running jobs are arguments."""

from collections.abc import Mapping, Sequence

from arc_core.errors import ArcError, NoRoom
from arc_core.gpu.inventory import Gpu


def choose_gpu(
    inventory: Sequence[Gpu],
    training_gpus: Sequence[int],
    promised_mib: Mapping[int, Sequence[float]],
    needed_mib: float,
) -> int | None:
    """The index of the least loaded training GPU with room: fewest jobs, most room, lowest index.

    `promised_mib`: what each running job may take, by GPU index; a job that has just started does not
    show in the driver's figures yet. None where the machine has no GPU at all: train on the CPU.
    Where there are GPUs, none is passed over for the CPU in silence, which would turn minutes into
    days: NoRoom, with the figures, when the job has to wait, ArcError when it would never fit.
    """
    if not inventory:
        return None
    training = [gpu for gpu in inventory if gpu.index in training_gpus]
    if not training:
        have = ", ".join(str(gpu.index) for gpu in inventory)
        raise ArcError(
            f"none of ARC_TRAINING_GPUS {list(training_gpus)} exists; this machine has GPU {have}. "
            "Set ARC_TRAINING_GPUS to GPUs that exist."
        )
    room = {
        gpu.index: max(
            0, min(gpu.memory_free_mib, gpu.memory_total_mib - sum(promised_mib.get(gpu.index, ())))
        )
        for gpu in training
    }
    roomy = [index for index, mib in room.items() if mib >= needed_mib]
    if not roomy:
        figures = ", ".join(
            f"GPU {gpu.index} has room for {_gib(room[gpu.index])} of {_gib(gpu.memory_total_mib)} GiB"
            for gpu in training
        )
        waits = any(gpu.memory_total_mib >= needed_mib for gpu in training)
        raise (NoRoom if waits else ArcError)(
            f"{figures}, the experiment needs {_gib(needed_mib)} GiB. "
            + ("It waits for the memory." if waits else "Lower batch_size or image_size_px.")
        )
    return min(roomy, key=lambda index: (len(promised_mib.get(index, ())), -room[index], index))


def _gib(mib: float) -> str:
    return f"{mib / 1024:.1f}"
