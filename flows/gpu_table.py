"""The GPUs as a table for people."""

from collections.abc import Callable

from rich.markup import escape
from rich.table import Table

from arc_core.experiments.sample import Job
from arc_core.gpu.inventory import Gpu
from arc_core.gpu.snapshot import Snapshot
from arc_core.report.summary import printable

NOTHING = "–"
"""For what the card does not offer."""
SIMULATED = "[bold yellow]SIMULATED: no such GPU exists, nothing trains on it[/]"
BAR_CELLS = 10


def gpu_table(snapshot: Snapshot) -> Table:
    """A row per GPU. Simulated ones are marked above, in the name and below."""
    table = Table(header_style="bold", pad_edge=False, title_justify="left", caption_justify="left")
    table.title = f"[not italic][bold]GPUs[/] · {snapshot.at:%Y-%m-%d %H:%M:%S UTC}"
    if snapshot.simulated:
        table.title += f" · {SIMULATED}"
        table.caption = f"[not italic]{SIMULATED}"
    for name, justify in COLUMNS.items():
        table.add_column(name, justify=justify, no_wrap=name != "trains")  # type: ignore[arg-type]
    for gpu in snapshot.gpus:
        jobs = ", ".join(_job(job, snapshot) for job in snapshot.jobs_on(gpu.index))
        table.add_row(*_cells(gpu), jobs or NOTHING)
    if not snapshot.gpus:
        table.caption = "[not italic]The driver reports no GPU."
    return table


COLUMNS = {
    "GPU": "right",
    "name": "left",
    "load": "left",
    "memory GiB": "left",
    "°C": "right",
    "fan %": "right",
    "W": "right",
    "processes (MiB)": "left",
    "trains": "left",
}


def _cells(gpu: Gpu) -> tuple[str, ...]:
    used, total = gpu.memory_used_mib / 1024, gpu.memory_total_mib / 1024
    share = 100 * used / total if total else None
    load = _shown(gpu.utilisation_percent, lambda percent: f"{_bar(percent)} {percent:>3.0f} %")
    return (
        str(gpu.index),
        escape(printable(gpu.name)),
        load,
        f"{_bar(share)} {used:.1f} of {total:.1f}",
        _shown(gpu.temperature_c),
        _shown(gpu.fan_percent),
        _shown(gpu.power_w),
        _processes(gpu),
    )


def _bar(percent: float | None) -> str:
    full = round(BAR_CELLS * min(percent or 0, 100) / 100)
    return f"[cyan]{'█' * full}[/][bright_black]{'░' * (BAR_CELLS - full)}[/]"


def _shown(value: float | None, words: Callable[[float], str] = "{:.0f}".format) -> str:
    return NOTHING if value is None else words(value)


def _processes(gpu: Gpu) -> str:
    if gpu.processes is None:
        return NOTHING
    each = (f"{process.pid} ({_shown(process.memory_mib)})" for process in gpu.processes)
    return "\n".join(each) or "none"


def _job(job: Job, snapshot: Snapshot) -> str:
    if job.since is None:
        return escape(job.name)
    minutes = max(0.0, (snapshot.at - job.since).total_seconds() / 60)
    return f"{escape(job.name)} for {minutes:.0f} min"
