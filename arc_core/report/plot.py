"""Plots as inline SVG: sharp, small, in the page's own colours, and with readable labels at any width.

The data's box is stretched to the plot's width; its lines keep their thickness, and labels keep their size.
"""

import math
from collections.abc import Iterable, Sequence

from markupsafe import Markup

from arc_core.record import Record

SIDE = 1000.0
"""Of the box that the data is drawn in, before it is stretched."""

Point = tuple[float, float]


class Span(Record):
    """A range of values with the ticks inside it."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    @property
    def labels(self) -> tuple[str, ...]:
        """As many digits as the distance of the ticks needs."""
        step = self.ticks[1] - self.ticks[0] if len(self.ticks) > 1 else 1.0
        digits = max(0, -math.floor(math.log10(step) + 1e-9))
        return tuple(f"{tick:,.{digits}f}" for tick in self.ticks)


class Layer(Record):
    """One SVG path in data's coordinates, already scaled. `css`: its class in `page.css`."""

    css: str
    path: str


def span(values: Iterable[float], *, most_ticks: int = 5, whole: bool = False) -> Span:
    """Round ticks around finite values, with a little room on both sides; `whole`: integers only."""
    found = list(values) or [0.0, 1.0]
    low, high = min(found), max(found)
    room = 0.03 * (high - low) or 0.5 * max(abs(high), 1.0) * (1 if whole else 0.1)
    low, high = low - room, high + room
    raw = (high - low) / most_ticks
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * by for by in (1, 2, 5, 10) if size * by >= raw * (1 - 1e-9))
    step = max(step, 1.0) if whole else step
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return Span(low=low, high=high, ticks=tuple(i * step for i in range(first, last + 1)))


def line(css: str, points: Iterable[Point], x: Span, y: Span) -> Layer:
    return Layer(css=css, path="M" + "L".join(_at(point, x, y) for point in points))


def steps(points: Sequence[Point], end: float) -> list[Point]:
    """The corners of a curve that keeps each value up to the next point, the last up to `end`."""
    following = [*(across for across, _ in points[1:]), end]
    return [
        corner
        for (across, up), right in zip(points, following, strict=True)
        for corner in ((across, up), (right, up))
    ]


def dots(css: str, points: Iterable[Point], x: Span, y: Span) -> Layer:
    """One path for all of them: strokes without a length, drawn by their round ends."""
    return Layer(css=css, path="".join(f"M{_at(point, x, y)}h0" for point in points))


def whiskers(css: str, intervals: Iterable[tuple[float, float, float]], x: Span, y: Span) -> Layer:
    """Vertical lines: where, from, to."""
    pairs = ((_at((at, low), x, y), _at((at, high), x, y)) for at, low, high in intervals)
    return Layer(css=css, path="".join(f"M{low}L{high}" for low, high in pairs))


def drawn(layers: Iterable[Layer], x: Span, y: Span, *, title: str, across: str, up: str) -> Markup:
    """The plot. `title` is read to those who don't see it; `across` and `up` name the axes."""
    grid = Markup("").join(
        Markup('<line class="grid" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(_percent(1 - y.share(tick)))
        for tick in y.ticks
    )
    ups = Markup("").join(
        Markup('<text class="up" x="-8" y="{}">{}</text>').format(_percent(1 - y.share(tick)), label)
        for tick, label in zip(y.ticks, y.labels, strict=True)
    )
    acrosses = Markup("").join(
        Markup('<text class="across" x="{}" y="100%">{}</text>').format(_percent(x.share(tick)), label)
        for tick, label in zip(x.ticks, x.labels, strict=True)
    )
    paths = Markup("").join(
        Markup('<path class="{}" d="{}"/>').format(layer.css, layer.path) for layer in layers if layer.path
    )
    return Markup(
        '<div class="plot" role="img" aria-label="{}"><span>{}</span><svg class="box">{}{}{}'
        '<svg width="100%" height="100%" viewBox="0 0 {} {}" preserveAspectRatio="none">{}</svg></svg>'
        "<span>{}</span></div>"
    ).format(title, up, grid, ups, acrosses, f"{SIDE:g}", f"{SIDE:g}", paths, across)


def _at(point: Point, x: Span, y: Span) -> str:
    across, up = point
    return f"{SIDE * x.share(across):.1f} {SIDE * (1 - y.share(up)):.1f}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"
