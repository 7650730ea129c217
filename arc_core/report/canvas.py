"""Matplotlib's figures as the report draws them: off screen, loaded on first use, in few colours."""

import io
from typing import Any

INK, ACCENT, FAINT = "#1f2933", "#0b7285", "#adb5bd"


def new_figure(width: float, height: float, columns: int = 1, rows: int = 1) -> tuple[Any, list[Any]]:
    """A figure of so many inches, and its panels row by row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130, layout="constrained")
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axes in panels:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    return figure, panels


def new_photograph(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches that a picture fills, and its one panel."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=130)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    return figure, axes


def png_of(figure: Any) -> bytes:
    return _saved(figure, "png")


def jpeg_of(figure: Any) -> bytes:
    """For photographs: a fifth of the size."""
    return _saved(figure, "jpeg")


def _saved(figure: Any, kind: str) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format=kind)
    return buffer.getvalue()
