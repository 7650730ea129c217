"""The GPUs of this machine, as the driver reports them. The only importer of pynvml."""

from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import Field

from arc_core.errors import ArcError
from arc_core.record import Record
from arc_core.settings import get_settings

V = TypeVar("V")

_MIB = 2**20


class GpuProcess(Record):
    """A process that has memory on a GPU; `memory_mib` is None where the driver keeps it to itself."""

    pid: int = Field(ge=0)
    memory_mib: float | None = Field(None, ge=0)


class Gpu(Record):
    """A snapshot of one GPU. What the card or its driver does not offer is None, never 0.

    `index` is the driver's order (PCI bus), which CUDA follows only under
    CUDA_DEVICE_ORDER=PCI_BUS_ID; `uuid` names the device in CUDA_VISIBLE_DEVICES without doubt.
    """

    index: int = Field(ge=0)
    uuid: str
    name: str
    memory_total_mib: float = Field(ge=0)
    memory_used_mib: float = Field(ge=0)
    utilisation_percent: float | None = Field(None, ge=0, description="of time in which a kernel ran")
    temperature_c: float | None = None
    fan_percent: float | None = Field(None, ge=0, description="of full speed, as it is meant to turn")
    power_w: float | None = Field(None, ge=0)
    processes: tuple[GpuProcess, ...] | None = None

    @property
    def memory_free_mib(self) -> float:
        return self.memory_total_mib - self.memory_used_mib


def read_inventory() -> tuple[Gpu, ...]:
    """Every GPU that can train, in the driver's order; () on a machine without an NVIDIA driver.

    Never a simulated one, whatever ARC_GPU_MODE says. ArcError if there is a driver that cannot be read
    (an unreadable GPU is no free GPU), or none where ARC_GPU_MODE is `real`.
    """
    found = read_driver()
    if found is None and get_settings().gpu_mode == "real":
        raise no_driver()
    return found or ()


def read_driver() -> tuple[Gpu, ...] | None:
    """Every GPU, in the driver's order; None without an NVIDIA driver.

    ArcError if the driver fails, be it halfway through.
    """
    import pynvml

    try:
        pynvml.nvmlInit()
    except (pynvml.NVMLError_LibraryNotFound, pynvml.NVMLError_DriverNotLoaded):
        return None
    except pynvml.NVMLError as error:
        raise _unreadable("the NVIDIA driver", error) from error
    try:
        return tuple(_read(index) for index in range(pynvml.nvmlDeviceGetCount()))
    except pynvml.NVMLError as error:
        raise _unreadable("the NVIDIA driver", error) from error
    finally:
        pynvml.nvmlShutdown()


def no_driver() -> ArcError:
    """What is said where ARC_GPU_MODE asks for a driver that is not there."""
    return ArcError(
        "ARC_GPU_MODE is real, and this machine has no NVIDIA driver that is loaded. "
        "Install or load it (nvidia-smi shows whether it works), or set ARC_GPU_MODE=auto."
    )


def _read(index: int) -> Gpu:
    import pynvml

    try:
        device = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(device)
        rates = _offered(pynvml.nvmlDeviceGetUtilizationRates, device)
        milliwatts = _offered(pynvml.nvmlDeviceGetPowerUsage, device)
        return Gpu(
            index=index,
            uuid=_text(pynvml.nvmlDeviceGetUUID(device)),
            name=_text(pynvml.nvmlDeviceGetName(device)),
            memory_total_mib=memory.total / _MIB,
            memory_used_mib=memory.used / _MIB,
            utilisation_percent=None if rates is None else rates.gpu,
            temperature_c=_offered(pynvml.nvmlDeviceGetTemperature, device, pynvml.NVML_TEMPERATURE_GPU),
            fan_percent=_offered(pynvml.nvmlDeviceGetFanSpeed, device),
            power_w=None if milliwatts is None else milliwatts / 1000,
            processes=_processes(device),
        )
    except pynvml.NVMLError as error:
        raise _unreadable(f"GPU {index}: the NVIDIA driver", error) from error


def _offered(read: Callable[..., V], *arguments: Any) -> V | None:
    """The reading, or None where card, driver or permissions have none to give."""
    import pynvml

    try:
        return read(*arguments)
    except (
        pynvml.NVMLError_NotSupported,
        pynvml.NVMLError_FunctionNotFound,
        pynvml.NVMLError_NoPermission,
    ):
        return None


def _processes(device: Any) -> tuple[GpuProcess, ...] | None:
    """Those that compute and those that draw, each once, by pid."""
    import pynvml

    lists = [
        _offered(pynvml.nvmlDeviceGetComputeRunningProcesses, device),
        _offered(pynvml.nvmlDeviceGetGraphicsRunningProcesses, device),
    ]
    if all(each is None for each in lists):
        return None
    used = {process.pid: process.usedGpuMemory for each in lists for process in each or ()}
    return tuple(
        GpuProcess(pid=pid, memory_mib=None if size is None else size / _MIB)
        for pid, size in sorted(used.items())
    )


def _text(value: str | bytes) -> str:
    """Some versions of the binding hand out bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _unreadable(what: str, error: Exception) -> ArcError:
    return ArcError(f"{what} cannot be read: {error}. Run nvidia-smi to see whether it works.")
