"""The GPUs of this machine, as the driver reports them. The only importer of pynvml."""

from typing import Any

from pydantic import Field

from arc_core.errors import ArcError
from arc_core.record import Record

_MIB = 2**20


class GpuProcess(Record):
    """A process that uses a GPU; its memory is None where the driver doesn't say."""

    pid: int
    memory_mib: float | None = None


class Gpu(Record):
    """A snapshot of one GPU.

    `index` is the driver's order (PCI bus), which CUDA follows only under
    CUDA_DEVICE_ORDER=PCI_BUS_ID; `uuid` names the device in CUDA_VISIBLE_DEVICES without doubt.
    """

    index: int = Field(ge=0)
    uuid: str
    name: str
    memory_total_mib: float = Field(ge=0)
    memory_used_mib: float = Field(ge=0)
    processes: tuple[GpuProcess, ...] | None = Field(None, description="None: the driver doesn't say")

    @property
    def memory_free_mib(self) -> float:
        return self.memory_total_mib - self.memory_used_mib


def read_inventory() -> tuple[Gpu, ...]:
    """Every GPU, in the driver's order; () on a machine without an NVIDIA driver.

    ArcError if there is a driver that cannot be read: an unreadable GPU is no free GPU.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return ()
    except pynvml.NVMLError as error:
        raise _unreadable(error) from error
    try:
        return tuple(_read(index) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError as error:
        raise _unreadable(error) from error
    finally:
        pynvml.nvmlShutdown()


def _read(index: int) -> Gpu:
    import pynvml

    device = pynvml.nvmlDeviceGetHandleByIndex(index)
    memory = pynvml.nvmlDeviceGetMemoryInfo(device)
    return Gpu(
        index=index,
        uuid=pynvml.nvmlDeviceGetUUID(device),
        name=pynvml.nvmlDeviceGetName(device),
        memory_total_mib=memory.total / _MIB,
        memory_used_mib=memory.used / _MIB,
        processes=_processes(device),
    )


def _processes(device: Any) -> tuple[GpuProcess, ...] | None:
    import pynvml

    try:
        found = pynvml.nvmlDeviceGetComputeRunningProcesses(device)
    except (pynvml.NVMLError_NotSupported, pynvml.NVMLError_FunctionNotFound):
        return None
    return tuple(
        GpuProcess(pid=each.pid, memory_mib=None if each.usedGpuMemory is None else each.usedGpuMemory / _MIB)
        for each in found
    )


def _unreadable(error: Exception) -> ArcError:
    return ArcError(f"the NVIDIA driver cannot be read: {error}. Run nvidia-smi to see whether it works.")
