"""What a change is likely to bring, from what similar changes brought."""

import math
import statistics
from collections.abc import Iterable

from arc_core.agents.effects import Evidence
from arc_core.experiments.metric import METRICS, Estimate

FEWEST = 2


def forecast(
    evidence: Evidence, metric: str, parent: Estimate | None, axes: Iterable[str]
) -> Estimate | None:
    """The primary metric expected of the parent with `axes` changed; None where too little is known.

    value = parent + mean gain g, interval = value ± 1.96 · s · √(1 + 1/n), the normal prediction
    interval, where g, s and n come from past changes of any of the same axes, or from all past
    changes when those are fewer than two. Every metric ARC knows lies in [0, 1], so the ends do too.
    """
    if parent is None:
        return None
    gains = [effect.gain for effect in evidence.on(*axes)]
    if len(gains) < FEWEST:
        gains = [effect.gain for effect in evidence.effects]
    if len(gains) < FEWEST:
        return None
    sign = METRICS[metric].gain(1.0, over=0.0)
    value = parent.value + sign * statistics.fmean(gains)
    half = 1.96 * statistics.stdev(gains) * math.sqrt(1 + 1 / len(gains))
    return Estimate(value=_unit(value), low=_unit(value - half), high=_unit(value + half))


def chance_of_gain(predicted: Estimate | None, metric: str, parent: Estimate | None) -> float:
    """Probability that the prediction beats the parent, read as a normal; a half where nothing is known."""
    if predicted is None or parent is None:
        return 0.5
    gain = METRICS[metric].gain(predicted.value, over=parent.value)
    spread = (predicted.high - predicted.low) / (2 * 1.96)
    if spread <= 0:
        return 0.5 if gain == 0 else float(gain > 0)
    return 0.5 * (1 + math.erf(gain / spread / math.sqrt(2)))


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
