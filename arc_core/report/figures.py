"""The report's pictures, as PNG or JPEG bytes. Draws off screen; matplotlib is loaded on first use."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from arc_core.experiments.metric import METRICS
from arc_core.experiments.result import Point
from arc_core.experiments.study import Score
from arc_core.report.canvas import ACCENT, FAINT, INK, jpeg_of, new_figure, new_photograph, png_of

if TYPE_CHECKING:
    import numpy as np

RIM, CUP = "#2f9e44", "#e8590c"


def best_so_far(scores: Sequence[Score], metric: str) -> bytes:
    """Every experiment's primary metric with its interval, and the best value up to it."""
    figure, (axes,) = new_figure(6.4, 3.2)
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
    return png_of(figure)


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
    figure, panels = new_figure(2.3 * max(len(curves), 1) + 0.6, 2.6, columns=max(len(curves), 1))
    for axes, (title, points) in zip(panels, curves, strict=True):
        for fold in sorted({point.fold for point in points}):
            own = [point for point in points if point.fold == fold]
            axes.plot([p.epoch for p in own], [p.train_loss for p in own], color=FAINT, linewidth=1)
            watched = [p for p in own if p.held_out_loss is not None]
            axes.plot(
                [p.epoch for p in watched], [p.held_out_loss for p in watched], color=ACCENT, linewidth=1.2
            )
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("epoch")
    first = panels[0]
    first.set_ylabel("loss")
    first.plot([], [], color=FAINT, label="training, each fold")
    first.plot([], [], color=ACCENT, label="held out (watched only)")
    figure.legend(frameon=False, fontsize=7, loc="outside upper center", ncols=2)
    return png_of(figure)


def overlay(image_path: Path, reference_path: Path, predicted_path: Path) -> bytes:
    """A photograph around its disc, with the reference's contours (dashed) and the prediction's: JPEG."""
    from arc_core.data.reader import read_image, read_mask

    reference, predicted = read_mask(reference_path), read_mask(predicted_path)
    seen = _around((reference > 0) | (predicted > 0))
    image, reference, predicted = read_image(image_path)[seen], reference[seen], predicted[seen]
    figure, axes = new_photograph(3.6, 3.6 * image.shape[0] / image.shape[1])
    axes.imshow(image)
    for mask, style in ((reference, "dashed"), (predicted, "solid")):
        _contours(axes, mask, style)
    return jpeg_of(figure)


def _around(mask: "np.ndarray") -> tuple[slice, slice]:
    """Where the mask is, with a margin of a third of its size; everything where it is nowhere."""
    import numpy as np

    sides = []
    for axis in (1, 0):
        (found,) = np.nonzero(mask.any(axis=axis))
        low, high = (int(found[0]), int(found[-1]) + 1) if found.size else (0, mask.shape[1 - axis])
        margin = (high - low) // 3
        sides.append(slice(max(low - margin, 0), high + margin))
    return sides[0], sides[1]


def _contours(axes: Any, mask: "np.ndarray", style: str) -> None:
    for level, colour in ((1, RIM), (2, CUP)):
        if (mask >= level).any():
            axes.contour(mask >= level, levels=[0.5], colors=colour, linewidths=1.3, linestyles=style)
