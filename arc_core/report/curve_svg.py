"""A learning curve as an SVG file that needs no style sheet: for where only a picture can be shown."""

import math
from collections.abc import Sequence

from arc_core.experiments.result import Point
from arc_core.report.plot import Span, span

WIDTH, HEIGHT = 640, 320
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 40  # px around the box of the data
INK, GRID, TRAINING, HELD = "#1f2933", "#e4e7eb", "#868e96", "#0b7285"


def learning_curve_svg(curve: Sequence[Point]) -> str | None:
    """Loss over epochs, each fold's training loss and the held-out loss; None without a finite point."""
    held = [(p.fold, p.epoch, p.held_out_loss) for p in curve if p.held_out_loss is not None]
    sets = (
        (TRAINING, [(point.fold, point.epoch, point.train_loss) for point in curve]),
        (HELD, [(fold, epoch, loss) for fold, epoch, loss in held if loss is not None]),
    )
    told = [(colour, [each for each in told if math.isfinite(each[2])]) for colour, told in sets]
    losses = [loss for _, own in told for _, _, loss in own]
    if not losses:
        return None
    x, y = span([point.epoch for point in curve], whole=True, most_ticks=8), span(losses)
    lines = [
        _line([(epoch, loss) for of, epoch, loss in own if of == fold], x, y, colour)
        for colour, own in told
        for fold in sorted({fold for fold, _, _ in own})
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12" fill="{INK}">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{_grid(x, y)}{"".join(lines)}{_legend()}</svg>'
    )


def _line(points: Sequence[tuple[float, float]], x: Span, y: Span, colour: str) -> str:
    if len(points) == 1:
        ((across, up),) = points
        return f'<circle cx="{_across(across, x):.1f}" cy="{_up(up, y):.1f}" r="2.5" fill="{colour}"/>'
    path = " ".join(f"{_across(across, x):.1f},{_up(up, y):.1f}" for across, up in points)
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'


def _grid(x: Span, y: Span) -> str:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    levels = (
        f'<path d="M{LEFT} {_up(tick, y):.1f}H{right}" stroke="{GRID}"/>'
        f'<text x="{LEFT - 8}" y="{_up(tick, y) + 4:.1f}" text-anchor="end">{label}</text>'
        for tick, label in zip(y.ticks, y.labels, strict=True)
    )
    epochs = (
        f'<text x="{_across(tick, x):.1f}" y="{bottom + 16}" text-anchor="middle">{label}</text>'
        for tick, label in zip(x.ticks, x.labels, strict=True)
    )
    names = (
        f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 7}" text-anchor="middle">epoch</text>'
        f'<text x="{LEFT - 8}" y="{TOP - 14}" text-anchor="end">loss</text>'
    )
    return "".join((*levels, *epochs, names))


def _legend() -> str:
    entries = ((TRAINING, "training, each fold"), (HELD, "held out, watched only"))
    return "".join(
        f'<path d="M{at} {TOP - 18}h22" stroke="{colour}" stroke-width="2"/>'
        f'<text x="{at + 28}" y="{TOP - 14}">{words}</text>'
        for at, (colour, words) in zip((LEFT + 40, LEFT + 220), entries, strict=True)
    )


def _across(value: float, x: Span) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * x.share(value)


def _up(value: float, y: Span) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - y.share(value))
