"""The report's pictures, as PNG bytes. Draws off screen; matplotlib is loaded on first use."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arc_core.experiments.metric import METRICS
from arc_core.experiments.result import Point
from arc_core.report.summary import Row

if TYPE_CHECKING:
    import numpy as np

INK, ACCENT, FAINT = "#1f2933", "#0b7285", "#adb5bd"
RIM, CUP = "#2f9e44", "#e8590c"


def best_so_far(rows: Sequence[Row], metric: str) -> bytes:
    """Every experiment's primary metric with its interval, and the best value up to it."""
    measured = [row for row in rows if row.metric is not None]
    figure, axes = _new(6.4, 3.2)
    best: list[float] = []
    for row in measured:
        assert row.metric is not None
        promoted = row.verdict in ("baseline", "promote")
        spread = [[row.metric.value - row.metric.low], [row.metric.high - row.metric.value]]
        colour = ACCENT if promoted else FAINT
        axes.errorbar(row.number, row.metric.value, yerr=spread, fmt="o", color=colour, capsize=3)
        better = not best or METRICS[metric].is_better(row.metric.value, best[-1])
        best.append(row.metric.value if better else best[-1])
    axes.step(
        [row.number for row in measured], best, where="post", color=INK, linewidth=1.4, label="best so far"
    )
    axes.plot([], [], "o", color=ACCENT, label="accepted by the gate")
    axes.plot([], [], "o", color=FAINT, label="not accepted")
    axes.set_xlabel("experiment")
    axes.set_ylabel(METRICS[metric].label)
    axes.xaxis.get_major_locator().set_params(integer=True)
    figure.legend(frameon=False, fontsize=8, loc="outside upper center", ncols=3)  # covers no point
    return _png(figure)


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


def _new(width: float, height: float, columns: int = 1) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    grid = figure.subplots(1, columns)
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
