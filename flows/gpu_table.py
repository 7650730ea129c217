"""The GPUs as a table for people."""

from collections.abc import Callable

from rich.console import JustifyMethod
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
WIDE = 130
"""Columns of a terminal that has room for bars and for each process."""


def gpu_table(snapshot: Snapshot, width: int) -> Table:
    """A row per GPU, for `width` columns. Simulated ones are marked above, below and by name."""
    table = Table(header_style="bold", pad_edge=False, title_justify="left", caption_justify="left")
    table.title = f"[not italic][bold]GPUs[/] · {snapshot.at:%Y-%m-%d %H:%M:%S UTC}"
    if snapshot.simulated:
        table.title += f" · {SIMULATED}"
        table.caption = f"[not italic not dim]{SIMULATED}"
    wide = width >= WIDE
    processes = "processes" if wide else "proc."
    for name in ("GPU", "name", "load", "memory GiB", "°C", "fan %", "W", processes, "trains"):
        is_figure = name not in ("name", "processes", "trains")
        least = len("(SIMULATED)") if name == "name" else None
        justify: JustifyMethod = "right" if is_figure else "left"
        table.add_column(name, justify=justify, no_wrap=is_figure, overflow="fold", min_width=least)
    for gpu in snapshot.gpus:
        jobs = "\n".join(_job(job, snapshot) for job in snapshot.jobs_on(gpu.index))
        table.add_row(*_cells(gpu, wide), jobs or NOTHING)
    if not snapshot.gpus:
        table.caption = "[not italic not dim]The driver reports no GPU."
    return table


def _cells(gpu: Gpu, wide: bool) -> tuple[str, ...]:
    used, total = gpu.memory_used_mib / 1024, gpu.memory_total_mib / 1024
    share = 100 * used / total if total else None
    load, memory = _shown(gpu.utilisation_percent, "{:.0f} %".format), f"{used:.1f}/{total:.1f}"
    if wide:
        load, memory = f"{_bar(gpu.utilisation_percent)} {load:>5}", f"{_bar(share)} {memory:>11}"
    return (
        str(gpu.index),
        escape(printable(gpu.name)),
        load,
        memory,
        _shown(gpu.temperature_c),
        _shown(gpu.fan_percent),
        _shown(gpu.power_w),
        _processes(gpu, wide),
    )


def _bar(percent: float | None) -> str:
    if percent is None:
        return " " * BAR_CELLS
    full = round(BAR_CELLS * min(percent, 100) / 100)
    return f"[cyan]{'█' * full}[/][bright_black]{'░' * (BAR_CELLS - full)}[/]"


def _shown(value: float | None, words: Callable[[float], str] = "{:.0f}".format) -> str:
    return NOTHING if value is None else words(value)


def _processes(gpu: Gpu, wide: bool) -> str:
    """Each with its memory, or their number."""
    if gpu.processes is None:
        return NOTHING
    if not wide or not gpu.processes:
        return str(len(gpu.processes))
    return "\n".join(f"{each.pid} ({_shown(each.memory_mib)} MiB)" for each in gpu.processes)


def _job(job: Job, snapshot: Snapshot) -> str:
    if job.since is None:
        return escape(printable(job.name))
    minutes = max(0.0, (snapshot.at - job.since).total_seconds() / 60)
    return f"{escape(printable(job.name))} {minutes:.0f} min"
