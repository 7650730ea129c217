"""The pictures of a dossier, as PNG: the same figures as the study's page, for paper."""

from collections.abc import Sequence
from typing import Any

from arc_core.dossier.document import Picture
from arc_core.evaluation.calibration import Calibration
from arc_core.evaluation.decision import DecisionCurve
from arc_core.evaluation.evaluation import Evaluation
from arc_core.evaluation.few import FEWEST, behind, firm, in_group
from arc_core.evaluation.roc import Roc
from arc_core.evaluation.subgroups import Subgroup
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.result import Case
from arc_core.report.canvas import ACCENT, FAINT, INK, new_figure, png_of

DPI = 200
SIZE_IN = (3.5, 3.3)
CUP = "#e8590c"
LONGEST = 40
"""Of a group's name in a plot."""


def plots_of(found: Evaluation, cases: Sequence[Case], evaluation: str, part: str) -> tuple[Picture, ...]:
    """Those that the task has. `part`: of the data, for file names; `evaluation`: its hash."""
    drawn: list[tuple[str, str, Any]] = []
    scores = found.classification
    if scores is not None:
        is_firm = behind("auc", found.patients, found.images, scores.positives) >= FEWEST
        band = (
            " with its pointwise 95 % band, resampled by patient"
            if is_firm
            else "; so few are behind it that no band is drawn"
        )
        drawn += [
            ("roc", f"ROC curve{band}", roc(scores.roc, has_band=is_firm)),
            (
                "calibration",
                "Calibration: each bin with Wilson's 95 % interval",
                reliability(scores.calibration),
            ),
            (
                "decision",
                "Decision curve: net benefit at each threshold probability",
                decision(scores.decision),
            ),
        ]
    if found.segmentation is not None:
        drawn.append(("dice", "Distribution of Dice over the images", dice(cases)))
    return tuple(
        Picture(
            name=f"{part}_{name}.png",
            content=_png(figure),
            caption=caption,
            width=0.5,
            evaluation=evaluation,
        )
        for name, caption, figure in drawn
    )


def roc(curve: Roc, *, has_band: bool) -> Any:
    figure, axes = _square("1 − specificity", "sensitivity")
    if has_band:
        axes.fill_between(curve.fpr, curve.low, curve.high, color=ACCENT, alpha=0.18, lw=0, label="95 % band")
    axes.plot((0, 1), (0, 1), color=FAINT, linestyle="dashed", linewidth=1, label="chance")
    axes.plot(curve.fpr, curve.sensitivity, color=ACCENT, linewidth=1.8, label="model")
    _key(figure)
    return figure


def reliability(calibration: Calibration) -> Any:
    figure, axes = _square("probability said", "share with glaucoma")
    axes.plot((0, 1), (0, 1), color=FAINT, linestyle="dashed", linewidth=1, label="calibrated")
    observed = [each.observed for each in calibration.bins]
    axes.errorbar(
        [each.predicted for each in calibration.bins],
        [each.value for each in observed],
        yerr=_reach(observed),
        fmt="o",
        color=ACCENT,
        capsize=3,
        markersize=5,
        label="bin, 95 % interval",
    )
    _key(figure)
    return figure


def decision(curve: DecisionCurve) -> Any:
    figure, (axes,) = new_figure(*SIZE_IN)
    most = max(*curve.model, *curve.treat_all, 0.01)
    axes.axhline(0, color=INK, linewidth=1, label="treat nobody")
    axes.plot(curve.thresholds, curve.treat_all, color=FAINT, linewidth=1.4, label="treat all")
    axes.plot(curve.thresholds, curve.model, color=ACCENT, linewidth=1.8, label="model")
    axes.set(xlim=(0, 1), ylim=(-most / 4, most * 1.08), xlabel="threshold probability", ylabel="net benefit")
    _key(figure)
    return figure


def dice(cases: Sequence[Case]) -> Any:
    import numpy as np

    figure, (axes,) = new_figure(*SIZE_IN)
    disc = [case.disc_dice for case in cases if case.disc_dice is not None]
    cup = [case.cup_dice for case in cases if case.cup_dice is not None]
    low = np.floor(min(*disc, *cup, 0.9) * 20) / 20
    bins = np.linspace(low, 1, round((1 - low) / 0.025) + 1)
    for values, colour, words in ((disc, ACCENT, "disc (rim and cup)"), (cup, CUP, "cup")):
        axes.hist(values, bins=bins, color=colour, alpha=0.3)
        axes.hist(values, bins=bins, color=colour, histtype="step", linewidth=1.4, label=words)
    axes.set(xlabel="Dice", ylabel="images", xlim=(low, 1))
    axes.yaxis.get_major_locator().set_params(integer=True)
    _key(figure)
    return figure


def forest(overall: Estimate, groups: Sequence[Subgroup], metric: str, evaluation: str, part: str) -> Picture:
    """A metric in every subgroup that defines it, beside that of all images; small groups are hollow.

    One of too few patients for an interval has no bar.
    """
    shown = [(group, group.metrics[metric]) for group in groups if metric in group.metrics]
    figure, (axes,) = new_figure(6.2, 1.0 + 0.28 * (len(shown) + 1))
    rows = [
        ("all images", overall, False, firm(overall, overall.patients or 0)),
        *((_named(group), found, group.small, in_group(group, metric)) for group, found in shown),
    ]
    for place, (_, found, small, told) in enumerate(rows):
        axes.errorbar(
            [found.value],
            [-place],
            xerr=_reach([found]) if isinstance(told, Estimate) else None,
            fmt="D" if place == 0 else "o",
            color=INK if place == 0 else ACCENT,
            markerfacecolor="white" if small else None,
            markersize=5,
            capsize=3,
            linewidth=1.2,
        )
    axes.axvline(overall.value, color=FAINT, linestyle="dashed", linewidth=1)
    axes.set_yticks([-place for place in range(len(rows))], [words for words, *_ in rows], fontsize=8)
    axes.set(xlabel=METRICS[metric].label, ylim=(-len(rows) + 0.4, 0.6))
    caption = (
        f"{METRICS[metric].label} by subgroup, 95 % intervals; a hollow circle is a group too small to tell, "
        "one without a bar too small for an interval"
    )
    return Picture(
        name=f"{part}_subgroups_{metric}.png",
        content=_png(figure),
        caption=caption,
        width=0.85,
        evaluation=evaluation,
    )


def _key(figure: Any) -> None:
    """Below the plot, where it covers nothing."""
    figure.legend(frameon=False, fontsize=8, loc="outside lower center", ncols=3)


def _reach(estimates: Sequence[Estimate]) -> list[list[float]]:
    """How far intervals reach below and above their values; rounding must not make it less than nothing."""
    below = [max(0.0, each.value - each.low) for each in estimates]
    return [below, [max(0.0, each.high - each.value) for each in estimates]]


def _named(group: Subgroup) -> str:
    name = group.name if len(group.name) <= LONGEST else group.name[: LONGEST - 1] + "…"
    return f"{group.grouping}: {name}  (n = {group.patients})"


def _square(across: str, up: str) -> tuple[Any, Any]:
    figure, (axes,) = new_figure(*SIZE_IN)
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=across, ylabel=up, aspect="equal")
    return figure, axes


def _png(figure: Any) -> bytes:
    figure.set_dpi(DPI)
    return png_of(figure)
