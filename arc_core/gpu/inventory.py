"""The GPUs of this machine, as the driver reports them. The only importer of pynvml."""

from pydantic import Field

from arc_core.errors import ArcError
from arc_core.record import Record

_MIB = 2**20


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
    )


def _unreadable(error: Exception) -> ArcError:
    return ArcError(f"the NVIDIA driver cannot be read: {error}. Run nvidia-smi to see whether it works.")
