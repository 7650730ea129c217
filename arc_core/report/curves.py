"""How a study went, as plots for its page."""

import math
from collections.abc import Sequence

from markupsafe import Markup

from arc_core.experiments.metric import METRICS
from arc_core.experiments.result import Point
from arc_core.experiments.sample import GpuTotal
from arc_core.experiments.study import Score
from arc_core.report.plot import Layer, Span, dots, drawn, line, span, steps, whiskers

MANY = 150
"""Experiments up to which each one's interval is drawn; those of more would be one grey mass."""


def best_so_far(scores: Sequence[Score], metric: str) -> Markup | None:
    """Every experiment's value, and the best up to it with its interval; None where nothing was measured."""
    scores = [score for score in scores if math.isfinite(score.estimate.value)]
    if not scores:
        return None
    best: list[Score] = []
    for score in scores:
        better = not best or METRICS[metric].is_better(score.estimate.value, best[-1].estimate.value)
        best.append(score if better else best[-1])
    few, end = len(scores) <= MANY, scores[-1].number + 0.5
    shown = scores if few else best
    ends = [end for score in shown for end in (score.estimate.low, score.estimate.high)]
    y = span([*ends, *(score.estimate.value for score in scores)])
    x = span([scores[0].number, end], whole=True, most_ticks=8)
    label = METRICS[metric].label
    curve = [(score.number, each.estimate.value) for score, each in zip(scores, best, strict=True)]
    layers = [_band(scores, best, end, x, y)]
    if few:
        intervals = [(score.number, score.estimate.low, score.estimate.high) for score in scores]
        layers.append(whiskers("whisker", intervals, x, y))
    for accepted, css in ((False, "tried" if few else "tried many"), (True, "accepted")):
        points = [(score.number, score.estimate.value) for score in scores if score.accepted == accepted]
        layers.append(dots(css, points, x, y))
    # Below the points that were accepted, above all others.
    layers.insert(-1, line("best", steps(curve, end), x, y))
    return drawn(layers, x, y, title=f"Best {label} so far", across="experiment", up=label)


def _band(scores: Sequence[Score], best: Sequence[Score], end: float, x: Span, y: Span) -> Layer:
    pairs = list(zip(scores, best, strict=True))
    upper = steps([(score.number, each.estimate.high) for score, each in pairs], end)
    lower = steps([(score.number, each.estimate.low) for score, each in pairs], end)
    return line("band", [*upper, *reversed(lower)], x, y)


def learning_curve(points: Sequence[Point]) -> Markup | None:
    """Loss over epochs: each fold's training loss, and the held-out loss; None without a finite point."""
    losses = [loss for point in points for loss in (point.train_loss, point.held_out_loss) if _told(loss)]
    if not losses:
        return None
    x = span([point.epoch for point in points], whole=True)
    y = span([loss for loss in losses if loss is not None])
    layers = []
    for fold in sorted({point.fold for point in points}):
        own = [point for point in points if point.fold == fold]
        training = [(point.epoch, point.train_loss) for point in own if _told(point.train_loss)]
        held = [(p.epoch, p.held_out_loss) for p in own if p.held_out_loss is not None]
        for css, curve in (("training", training), ("held", [p for p in held if _told(p[1])])):
            if curve:
                layers.append(line(css, curve, x, y))
    layers.sort(key=lambda layer: layer.css, reverse=True)  # what was held out on top
    return drawn(layers, x, y, title="Learning curve", across="epoch", up="loss")


def gpu_use(totals: Sequence[tuple[int, GpuTotal]]) -> tuple[Markup, tuple[int, ...]] | None:
    """Mean utilisation of each GPU, cycle by cycle, and the GPUs in order; None for fewer than two cycles.

    `totals`: each with the number of its cycle, oldest first.
    """
    told = [(number, total) for number, total in totals if total.percent is not None]
    if len({number for number, _ in told}) < 2:
        return None
    x, y = span([number for number, _ in told], whole=True), span([0.0, 100.0])
    gpus = tuple(sorted({total.gpu_index for _, total in told}))
    layers = []
    for place, index in enumerate(gpus):
        own = [(number, total.percent) for number, total in told if total.gpu_index == index]
        points = [(number, percent) for number, percent in own if percent is not None]
        layers.append(line(f"line-{place % 3}", points, x, y))
    return drawn(layers, x, y, title="Utilisation of the GPUs", across="cycle", up="% of the time"), gpus


def _told(loss: float | None) -> bool:
    return loss is not None and math.isfinite(loss)
