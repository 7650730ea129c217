"""The plots of the champion's evaluation."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from arc_core.evaluation.calibration import Calibration
from arc_core.evaluation.decision import DecisionCurve
from arc_core.evaluation.evaluation import Evaluation
from arc_core.evaluation.roc import Roc
from arc_core.experiments.result import Case
from arc_core.report.plot import Point, dots, drawn, line, span, steps, whiskers

DIAGONAL: tuple[Point, Point] = ((0, 0), (1, 1))


class Panel(NamedTuple):
    """A plot with its caption, and its key: class in `page.css` → what it is."""

    caption: str
    key: dict[str, str]
    plot: Markup


def plots_of(found: Evaluation, cases: Sequence[Case]) -> tuple[Panel, ...]:
    """Those that the task has."""
    panels = []
    if found.segmentation is not None:
        panels.append(_dice(cases))
    if found.classification is not None:
        panels += [
            _roc(found.classification.roc),
            _reliability(found.classification.calibration),
            _decision(found.classification.decision),
        ]
    return tuple(panels)


def _dice(cases: Sequence[Case]) -> Panel:
    disc = sorted(case.disc_dice for case in cases if case.disc_dice is not None)
    cup = sorted(case.cup_dice for case in cases if case.cup_dice is not None)
    x, y = span([*disc, *cup, 1.0], most_ticks=4), span([0.0, 1.0])
    layers = [
        line(css, steps([(value, place / len(own)) for place, value in enumerate(own, start=1)], 1.0), x, y)
        for css, own in (("best", cup), ("held", disc))
    ]
    caption = "Dice of the images"
    plot = drawn(layers, x, y, title=caption, across="Dice", up="share of the images with at most this")
    return Panel(caption=caption, key={"held": "disc", "": "cup"}, plot=plot)


def _roc(roc: Roc) -> Panel:
    x = y = span([0.0, 1.0])
    edge = [*zip(roc.fpr, roc.high, strict=True), *reversed(list(zip(roc.fpr, roc.low, strict=True)))]
    layers = [
        line("band", edge, x, y),
        line("training", DIAGONAL, x, y),
        line("held", zip(roc.fpr, roc.sensitivity, strict=True), x, y),
    ]
    caption = "ROC curve"
    key = {"held": "champion", "band": "95 % by patient, point by point", "training": "chance"}
    plot = drawn(layers, x, y, title=caption, across="1 − specificity", up="sensitivity")
    return Panel(caption=caption, key=key, plot=plot)


def _reliability(calibration: Calibration) -> Panel:
    x = y = span([0.0, 1.0])
    points = [(each.predicted, each.observed) for each in calibration.bins]
    layers = [
        line("training", DIAGONAL, x, y),
        whiskers("whisker", [(at, observed.low, observed.high) for at, observed in points], x, y),
        dots("accepted", [(at, observed.value) for at, observed in points], x, y),
    ]
    caption = "Reliability"
    key = {"accepted": "a bin, with Wilson's 95 % interval", "training": "as it should be"}
    plot = drawn(layers, x, y, title=caption, across="probability said", up="share with glaucoma")
    return Panel(caption=caption, key=key, plot=plot)


def _decision(curve: DecisionCurve) -> Panel:
    most = max(*curve.model, *curve.treat_all, 0.0)
    least = -most / 4  # further down it does not matter how bad it is
    x, y = span([0.0, 1.0]), span([least, most], most_ticks=4)
    layers = [line("best", [(0.0, 0.0), (1.0, 0.0)], x, y)]
    for css, values in (("training", curve.treat_all), ("held", curve.model)):
        points = zip(curve.thresholds, values, strict=True)
        layers.append(line(css, [point for point in points if point[1] >= least], x, y))
    caption = "Decision curve"
    key = {"held": "champion", "training": "treat all", "": "treat nobody"}
    plot = drawn(layers, x, y, title=caption, across="threshold probability", up="net benefit")
    return Panel(caption=caption, key=key, plot=plot)
