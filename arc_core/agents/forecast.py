"""What a change is likely to bring, from what similar changes brought."""

import math
import statistics
from collections.abc import Mapping, Sequence

from arc_core.agents.effects import Evidence
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.spec import Value

FEWEST = 2


def forecast(
    evidence: Evidence, metric: str, parent: Estimate | None, steps: Mapping[str, tuple[Value, Value]]
) -> Estimate:
    """The primary metric expected of the parent after `steps` (path → old, new).

    value = parent + Σ ḡ over the steps, where ḡ is the mean gain of the n similar past steps on the
    same axis; a step unlike any before adds nothing. The interval is the 95 % prediction interval,
    ± t · s · √Σ(1 + 1/n), Student's t with the degrees of freedom of s, the pooled deviation within
    the steps: n − 1 for a single one. Where no step has two similar ones, the deviation is that of all
    past gains; where none has any, the mean too.
    Every metric ARC knows lies in [0, 1], so the ends do too; where too little is known they are 0 and 1,
    about the parent's value or the middle.
    """
    overall = tuple(effect.gain for effect in evidence.effects)
    if parent is None or len(overall) < FEWEST:
        return Estimate(value=0.5 if parent is None else parent.value, low=0.0, high=1.0)
    known = [gains for path, pair in steps.items() if (gains := evidence.similar(path, *pair))] or [overall]
    repeated = any(len(gains) >= FEWEST for gains in known)
    deviation, freedom = _pooled(known if repeated else [overall])
    spread = deviation * math.sqrt(sum(1 + 1 / len(gains) for gains in known))
    half = student(freedom) * spread
    sign = METRICS[metric].gain(1.0, over=0.0)
    value = parent.value + sign * math.fsum(statistics.fmean(gains) for gains in known)
    return Estimate(value=_unit(value), low=_unit(value - half), high=_unit(value + half))


def chance_of_gain(predicted: Estimate, metric: str, parent: Estimate | None) -> float:
    """Probability that the prediction beats the parent, read as a normal; a half where nothing is known."""
    if parent is None:
        return 0.5
    gain = METRICS[metric].gain(predicted.value, over=parent.value)
    # The longer side: the other may have been cut off at 0 or 1.
    spread = max(predicted.high - predicted.value, predicted.value - predicted.low) / 1.96
    if spread <= 0:
        return 0.5 if gain == 0 else float(gain > 0)
    return 0.5 * (1 + math.erf(gain / spread / math.sqrt(2)))


def _pooled(groups: Sequence[Sequence[float]]) -> tuple[float, int]:
    """The standard deviation within the groups, and its degrees of freedom."""
    freedom = sum(len(group) - 1 for group in groups)
    means = map(statistics.fmean, groups)
    squares = math.fsum(
        (gain - mean) ** 2 for group, mean in zip(groups, means, strict=True) for gain in group
    )
    return math.sqrt(squares / freedom), freedom


def student(freedom: float) -> float:
    """The 97.5 % quantile of Student's t."""
    from scipy.special import stdtrit  # 0.3 s that a study without results need not pay

    return float(stdtrit(freedom, 0.975))


def _unit(value: float) -> float:
    return min(max(value, 0.0), 1.0)
