"""The Pareto front as a picture: a panel for each pair of objectives, one for the hypervolume."""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any

from arc_core.experiments.metric import METRICS
from arc_core.experiments.objectives import Objective, Objectives
from arc_core.gate.front import Contender, Front, Place, Volume
from arc_core.report.canvas import ACCENT, FAINT, INK, new_figure, png_of

WARNING, SHADE = "#e8590c", "#ffe8cc"
NAMED = 12
"""Points of the front that bear their number; more would cover each other."""
_PANELS_A_ROW = 3

Pair = tuple[str, str]
Limits = tuple[float, float]


def picture_of(front: Front, objectives: Objectives, champion_id: str | None) -> bytes | None:
    """None where there is nothing to draw: fewer than two objectives count, or no experiment has two."""
    pairs = [pair for pair in combinations(front.axes, 2) if _measured(front, pair)]
    if not pairs:
        return None
    grows = len(front.volumes) > 1 and front.volumes[-1].value > 0
    count = len(pairs) + grows
    rows = math.ceil(count / _PANELS_A_ROW)
    columns = math.ceil(count / rows)
    figure, panels = new_figure(3.5 * columns, 3.1 * rows + 0.3, columns, rows)
    for axes, pair in zip(panels, pairs, strict=False):
        _scatter(axes, _measured(front, pair), pair, champion_id)
        limits = [_limits(axes, which, name, objectives) for which, name in zip("xy", pair, strict=True)]
        _shade(axes, pair, objectives, limits)
        if len(front.axes) == 2:  # among more, the front is no line
            kept = [_kept(*of) for of in zip(pair, limits, [objectives[name] for name in pair], strict=True)]
            _outline(axes, [each.point(pair) for each in front.at("front")], pair, kept)
    if grows:
        _growth(panels[len(pairs)], front.volumes)
    for axes in panels[count:]:
        axes.set_axis_off()
    entries = {label: handle for axes in panels for handle, label in zip(*_legend(axes), strict=True)}
    figure.legend(
        entries.values(),
        entries.keys(),
        frameon=False,
        fontsize=8,
        loc="outside upper center",
        ncols=2 if columns == 1 else 6,
    )
    return png_of(figure)


def _measured(front: Front, pair: Pair) -> list[Contender]:
    return [each for each in front.contenders if set(pair) <= each.metrics.keys()]


def _legend(axes: Any) -> tuple[list[Any], list[str]]:
    handles, labels = axes.get_legend_handles_labels()
    return list(handles), list(labels)


_MARKS: dict[Place, tuple[str, dict[str, Any]]] = {
    "unmeasured": ("lacks an objective", {"s": 20, "facecolors": "none", "edgecolors": FAINT}),
    "dominated": ("dominated", {"s": 20, "color": FAINT}),
    "constraint": ("breaks a constraint", {"s": 26, "color": WARNING, "marker": "x", "linewidths": 1.3}),
    "front": ("on the front", {"s": 34, "color": ACCENT}),
}
"""The many that are not on the front lie under the few that are."""


def _scatter(axes: Any, drawn: Sequence[Contender], pair: Pair, champion_id: str | None) -> None:
    for height, (place, (words, style)) in enumerate(_MARKS.items(), start=3):
        points = [each.point(pair) for each in drawn if each.place == place]
        if points:
            axes.scatter(*zip(*points, strict=True), **style, zorder=height, label=words)
    for each in [each for each in drawn if each.place == "front"][-NAMED:]:
        place_of = {"xytext": (5, 5), "textcoords": "offset points", "fontsize": 7, "color": INK}
        axes.annotate(f"#{each.number}", each.point(pair), **place_of, zorder=9)
    for each in drawn:
        if each.experiment_id == champion_id:
            ring = {"facecolors": "none", "edgecolors": INK, "linewidths": 1.2, "s": 90}
            axes.scatter(*each.point(pair), **ring, zorder=8, label="champion")
    axes.locator_params(axis="x", nbins=5)  # narrow ranges have long numbers
    for name, label in zip(pair, (axes.set_xlabel, axes.set_ylabel), strict=True):
        metric = METRICS[name]
        label(f"{metric.label} ({'higher' if metric.higher_is_better else 'lower'} is better)", fontsize=8)


def _limits(axes: Any, which: str, name: str, objectives: Objectives) -> Limits:
    """From the points, and the bound if there is one, so that one sees how far it is."""
    bound = objectives[name].constraint
    if bound is not None:
        draw = axes.axvline if which == "x" else axes.axhline
        draw(bound, color=WARNING, linewidth=1, linestyle="dashed", zorder=1, label="constraint")
    low, high = getattr(axes, f"get_{which}lim")()
    return float(low), float(high)


def _kept(name: str, limits: Limits, objective: Objective) -> Limits:
    """What of the limits keeps the constraint."""
    low, high = limits
    if objective.constraint is None:
        return limits
    return (objective.constraint, high) if METRICS[name].higher_is_better else (low, objective.constraint)


def _shade(axes: Any, pair: Pair, objectives: Objectives, limits: Sequence[Limits]) -> None:
    """Where a constraint is broken."""
    for name, span, (low, high) in zip(pair, (axes.axvspan, axes.axhspan), limits, strict=True):
        bound = objectives[name].constraint
        if bound is not None:
            broken = (low, bound) if METRICS[name].higher_is_better else (bound, high)
            span(*broken, color=SHADE, linewidth=0, zorder=0)
    axes.set_xlim(limits[0])
    axes.set_ylim(limits[1])


def _outline(axes: Any, points: Sequence[Sequence[float]], pair: Pair, limits: Sequence[Limits]) -> None:
    """The edge of what the front dominates, out to `limits` on the worse sides."""
    if not points:
        return
    rising, upward = (METRICS[name].higher_is_better for name in pair)
    (left, right), (bottom, top) = limits
    xs, ys = zip(*sorted(map(tuple, points)), strict=True)
    worst_y = bottom if upward else top
    if rising:  # as good in y as the next point to the right
        xs, ys, step = (left, *xs, xs[-1]), (ys[0], *ys, worst_y), "pre"
    else:
        xs, ys, step = (xs[0], *xs, right), (worst_y, *ys, ys[-1]), "post"
    axes.step(xs, ys, where=step, color=ACCENT, linewidth=1.2, zorder=2)


def _growth(axes: Any, volumes: Sequence[Volume]) -> None:
    cycles, values = [volume.cycle for volume in volumes], [volume.value for volume in volumes]
    axes.step(cycles, values, where="post", color=INK, linewidth=1.4)
    axes.plot(cycles, values, "o", color=INK, markersize=3)
    axes.set_xlabel("cycle", fontsize=8)
    axes.set_ylabel("hypervolume", fontsize=8)
    axes.xaxis.get_major_locator().set_params(integer=True)
