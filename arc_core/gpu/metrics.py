"""The GPUs as Prometheus metrics, over HTTP on loopback. Base units, as its conventions ask."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily

from arc_core.errors import ArcError, BadInput
from arc_core.gpu.inventory import Gpu
from arc_core.gpu.snapshot import Snapshot

HOST = "127.0.0.1"
LABELS = ("gpu", "uuid", "name", "simulated")
_MIB = 2**20

Value = Callable[[Gpu], float | None]

GAUGES: dict[str, tuple[str, Value]] = {
    "arc_gpu_memory_used_bytes": ("Memory in use", lambda gpu: gpu.memory_used_mib * _MIB),
    "arc_gpu_memory_total_bytes": ("Memory of the card", lambda gpu: gpu.memory_total_mib * _MIB),
    "arc_gpu_utilisation_ratio": (
        "Share of time in which a kernel ran",
        lambda gpu: _ratio(gpu.utilisation_percent),
    ),
    "arc_gpu_temperature_celsius": ("Temperature of the chip", lambda gpu: gpu.temperature_c),
    "arc_gpu_fan_ratio": ("Fan, of its full speed", lambda gpu: _ratio(gpu.fan_percent)),
    "arc_gpu_power_watts": ("Power drawn", lambda gpu: gpu.power_w),
    "arc_gpu_processes": (
        "Processes with memory on the card",
        lambda gpu: None if gpu.processes is None else len(gpu.processes),
    ),
}


class GpuCollector:
    """Reads the GPUs at each scrape. A reading that fails leaves `arc_gpu_readable` at 0, and no other."""

    def __init__(self, look: Callable[[], Snapshot], complain: Callable[[ArcError], None]) -> None:
        self._look, self._complain = look, complain

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            snapshot = self._look()
        except ArcError as error:
            self._complain(error)
            yield _readable(False, simulated="false")
            return
        yield from families(snapshot)


def families(snapshot: Snapshot) -> Iterator[GaugeMetricFamily]:
    """A gauge with a line per GPU that offers the value; each says whether its GPU is simulated. Pure."""
    simulated = str(snapshot.simulated).lower()
    mark = "SIMULATED, no such GPU exists. " if snapshot.simulated else ""
    yield _readable(True, simulated)
    for name, (words, value_of) in GAUGES.items():
        family = GaugeMetricFamily(name, mark + words, labels=LABELS)
        for gpu in snapshot.gpus:
            if (value := value_of(gpu)) is not None:
                family.add_metric([str(gpu.index), gpu.uuid, gpu.name, simulated], value)
        yield family
    jobs = GaugeMetricFamily("arc_gpu_job", mark + "1: it holds the GPU", labels=("gpu", "job", "simulated"))
    for job in snapshot.jobs:
        jobs.add_metric([str(job.gpu_index), job.name, simulated], 1)
    yield jobs
    leases = GaugeMetricFamily("arc_leases", "Jobs with a place, and in line", labels=("state",))
    held = sum(lease.granted is not None for lease in snapshot.leases)
    leases.add_metric(["held"], held)
    leases.add_metric(["waiting"], len(snapshot.leases) - held)
    yield leases


def serve(port: int, look: Callable[[], Snapshot], complain: Callable[[ArcError], None]) -> str:
    """Serve them in the background until the process ends; the address. BadInput where the port is taken."""
    registry = CollectorRegistry()
    registry.register(GpuCollector(look, complain))
    try:
        start_http_server(port, addr=HOST, registry=registry)
    except OSError as error:
        raise BadInput(
            f"the port can't be used: {error.strerror}",
            where="--prometheus",
            got=str(port),
            expected="a free port of this machine",
            cure="Choose another.",
        ) from None
    return f"http://{HOST}:{port}/metrics"


def _readable(can: bool, simulated: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily("arc_gpu_readable", "1: the GPUs can be read", labels=("simulated",))
    family.add_metric([simulated], int(can))
    return family


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
