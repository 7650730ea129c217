"""Which GPU an experiment takes. Pure: the inventory and the running jobs are arguments."""

from collections.abc import Mapping, Sequence

from arc_core.errors import ArcError
from arc_core.gpu.inventory import Gpu


def choose_gpu(
    inventory: Sequence[Gpu], training_gpus: Sequence[int], jobs: Mapping[int, int], needed_mib: float
) -> int | None:
    """The index of the least loaded training GPU with room: fewest jobs, most free memory, lowest index.

    `jobs`: running jobs by GPU index. None where the machine has no GPU at all: train on the CPU.
    ArcError, with the figures, where there are GPUs but none for training has room: falling back to
    the CPU in silence would turn minutes into days.
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
    roomy = [gpu for gpu in training if gpu.memory_free_mib >= needed_mib]
    if not roomy:
        free = ", ".join(
            f"GPU {gpu.index} has {_gib(gpu.memory_free_mib)} of {_gib(gpu.memory_total_mib)} GiB free"
            for gpu in training
        )
        raise ArcError(
            f"{free}, the experiment needs {_gib(needed_mib)} GiB. "
            "Lower batch_size or image_size_px, or wait for the jobs that hold the memory."
        )
    best = min(roomy, key=lambda gpu: (jobs.get(gpu.index, 0), -gpu.memory_free_mib, gpu.index))
    return best.index


def _gib(mib: float) -> str:
    return f"{mib / 1024:.1f}"
