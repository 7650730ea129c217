"""The report's pictures, as PNG bytes. Draws off screen; matplotlib is loaded on first use."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arc_core.experiments.metric import METRICS
from arc_core.experiments.result import Point
from arc_core.experiments.study import Score
from arc_core.report.gpus import TARGET_PERCENT, Bar, Load

if TYPE_CHECKING:
    import numpy as np

INK, ACCENT, FAINT = "#1f2933", "#0b7285", "#adb5bd"
RIM, CUP = "#2f9e44", "#e8590c"
LANE_PERCENT = 20.0  # height of a job's bar, on the axis of a GPU's utilisation


def best_so_far(scores: Sequence[Score], metric: str) -> bytes:
    """Every experiment's primary metric with its interval, and the best value up to it."""
    figure, axes = _new(6.4, 3.2)
    best: list[float] = []
    for score in scores:
        better = not best or METRICS[metric].is_better(score.estimate.value, best[-1])
        best.append(score.estimate.value if better else best[-1])
    numbers = [score.number for score in scores]
    # The few that were accepted lie over the many that were not.
    for accepted, colour, words in ((False, FAINT, "not accepted"), (True, ACCENT, "accepted by the gate")):
        own = [score for score in scores if score.accepted == accepted]
        _intervals(axes, own, colour)
        axes.plot([], [], "o", color=colour, label=words)
    axes.step(numbers, best, where="post", color=INK, linewidth=1.4, label="best so far")
    axes.set_xlabel("experiment")
    axes.set_ylabel(METRICS[metric].label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=3)  # covers no point
    return _png(figure)


def _intervals(axes: Any, scores: Sequence[Score], colour: str) -> None:
    """One artist for all of them: one for each would take a minute at 10,000."""
    estimates = [score.estimate for score in scores]
    below = [estimate.value - estimate.low for estimate in estimates]
    above = [estimate.high - estimate.value for estimate in estimates]
    values = [estimate.value for estimate in estimates]
    numbers = [score.number for score in scores]
    axes.errorbar(numbers, values, yerr=[below, above], fmt="o", color=colour, capsize=3)


def learning_curves(curves: Sequence[tuple[str, Sequence[Point]]]) -> bytes:
    """Loss over epochs, a panel per experiment: each fold's training loss, and the held-out loss."""
    figure, grid = _new(2.3 * max(len(curves), 1) + 0.6, 2.6, columns=max(len(curves), 1))
    for axes, (title, points) in zip(_flat(grid), curves, strict=True):
        for fold in sorted({point.fold for point in points}):
            own = [point for point in points if point.fold == fold]
            axes.plot([p.epoch for p in own], [p.train_loss for p in own], color=FAINT, linewidth=1)
            watched = [p for p in own if p.held_out_loss is not None]
            axes.plot(
                [p.epoch for p in watched], [p.held_out_loss for p in watched], color=ACCENT, linewidth=1.2
            )
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("epoch")
    first = _flat(grid)[0]
    first.set_ylabel("loss")
    first.plot([], [], color=FAINT, label="training, each fold")
    first.plot([], [], color=ACCENT, label="held out (watched only)")
    figure.legend(frameon=False, fontsize=7, loc="outside upper center", ncols=2)
    return _png(figure)


def gpu_loads(loads: Sequence[Load], *, simulated: bool) -> bytes:
    """Utilisation and memory of each GPU over time, a panel per GPU with its jobs as bars below."""
    figure, grid = _new(7.2, 0.8 + 1.35 * len(loads), rows=len(loads))
    for axes, load in zip(_flat(grid), loads, strict=True):
        minutes = [moment.minutes for moment in load.line]
        memory = [moment.memory_percent for moment in load.line]
        used = [moment.utilisation_percent for moment in load.line]
        axes.fill_between(minutes, memory, color=FAINT, alpha=0.5, linewidth=0, label="memory")
        axes.plot(minutes, used, color=ACCENT, linewidth=1.1, label="utilisation")
        axes.axhline(
            TARGET_PERCENT,
            color=CUP,
            linewidth=0.8,
            linestyle="dashed",
            label=f"target, {TARGET_PERCENT:.0f} %",
        )
        for bar in load.bars:
            _job(axes, bar)
        axes.set_ylim(-LANE_PERCENT * load.lanes - 4, 104)
        axes.set_yticks([0, 50, 100])
        axes.set_ylabel("%", fontsize=8)
        axes.sharex(_flat(grid)[0])
        card = f"GPU {load.gpu_index} · {load.name} · {load.memory_total_mib / 1024:.0f} GiB"
        axes.set_title(f"{card}{' · SIMULATED' if simulated else ''}", fontsize=8, loc="left")
    _flat(grid)[-1].set_xlabel("minutes", fontsize=9)
    handles = _flat(grid)[0].get_legend_handles_labels()
    figure.legend(*handles, frameon=False, fontsize=7, loc="outside upper center", ncols=3)
    return _png(figure)


def _job(axes: Any, bar: Bar) -> None:
    """A bar below the axis, in its lane, with its name where the bar begins."""
    low = -LANE_PERCENT * (bar.lane + 1)
    span = (bar.start_minutes, bar.end_minutes - bar.start_minutes)
    axes.broken_barh([span], (low, LANE_PERCENT - 3), facecolors=RIM, alpha=0.35)
    axes.text(bar.start_minutes, low + LANE_PERCENT / 2 - 1.5, f" {bar.label}", fontsize=6.5, va="center")


def overlay(image_path: Path, reference_path: Path, predicted_path: Path) -> bytes:
    """A photograph with the reference's contours (dashed) and the prediction's."""
    from arc_core.data.reader import read_image, read_mask

    image, reference, predicted = read_image(image_path), read_mask(reference_path), read_mask(predicted_path)
    figure, axes = _new(3.6, 3.6 * image.shape[0] / image.shape[1] + 0.3)
    axes.imshow(image)
    for mask, style in ((reference, "dashed"), (predicted, "solid")):
        _contours(axes, mask, style)
    axes.set_axis_off()
    axes.set_title("disc green, cup orange; reference dashed", fontsize=8)
    return _png(figure)


def _contours(axes: Any, mask: "np.ndarray", style: str) -> None:
    for level, colour in ((1, RIM), (2, CUP)):
        if (mask >= level).any():
            axes.contour(mask >= level, levels=[0.5], colors=colour, linewidths=1.3, linestyles=style)


def _new(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    grid = figure.subplots(rows, columns)
    for axes in _flat(grid):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    return figure, grid


def _flat(grid: Any) -> list[Any]:
    return list(grid.flat) if hasattr(grid, "flat") else [grid]


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
