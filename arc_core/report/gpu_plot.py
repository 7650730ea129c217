"""The picture of a cycle's GPUs."""

from collections.abc import Sequence
from typing import Any

from arc_core.report.canvas import ACCENT, FAINT, new_figure, png_of
from arc_core.report.gpus import TARGET_PERCENT, Bar, Load

JOB, TARGET = "#2f9e44", "#e8590c"
LANE_PERCENT = 20.0  # height of a job's bar, on the axis of a GPU's utilisation


def gpu_loads(loads: Sequence[Load], *, simulated: bool) -> bytes:
    """Utilisation and memory of each GPU over time, a panel per GPU with its jobs as bars below."""
    figure, panels = new_figure(7.2, 0.8 + 1.35 * len(loads), rows=len(loads))
    for axes, load in zip(panels, loads, strict=True):
        minutes = [moment.minutes for moment in load.line]
        memory = [moment.memory_percent for moment in load.line]
        used = [moment.utilisation_percent for moment in load.line]
        axes.fill_between(minutes, memory, color=FAINT, alpha=0.5, linewidth=0, label="memory")
        axes.plot(minutes, used, color=ACCENT, linewidth=1.1, label="utilisation")
        axes.axhline(
            TARGET_PERCENT,
            color=TARGET,
            linewidth=0.8,
            linestyle="dashed",
            label=f"target, {TARGET_PERCENT:.0f} %",
        )
        for bar in load.bars:
            _job(axes, bar)
        axes.set_ylim(-LANE_PERCENT * load.lanes - 4, 104)
        axes.set_yticks([0, 50, 100])
        axes.set_ylabel("%", fontsize=8)
        axes.sharex(panels[0])
        card = f"GPU {load.gpu_index} · {load.name} · {load.memory_total_mib / 1024:.0f} GiB"
        axes.set_title(f"{card}{' · SIMULATED' if simulated else ''}", fontsize=8, loc="left")
    panels[-1].set_xlabel("minutes", fontsize=9)
    handles = panels[0].get_legend_handles_labels()
    figure.legend(*handles, frameon=False, fontsize=7, loc="outside upper center", ncols=3)
    return png_of(figure)


def _job(axes: Any, bar: Bar) -> None:
    """A bar below the axis, in its lane, with its name where the bar begins."""
    low = -LANE_PERCENT * (bar.lane + 1)
    span = (bar.start_minutes, bar.end_minutes - bar.start_minutes)
    axes.broken_barh([span], (low, LANE_PERCENT - 3), facecolors=JOB, alpha=0.35)
    axes.text(bar.start_minutes, low + LANE_PERCENT / 2 - 1.5, f" {bar.label}", fontsize=6.5, va="center")
