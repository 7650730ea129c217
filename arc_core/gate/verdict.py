"""The gate's answer on a challenger: does it beat the champion beyond chance?"""

import math
from collections.abc import Sequence

from pydantic import Field

from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.result import Case, Verdict
from arc_core.gate.bootstrap import paired_gain
from arc_core.record import Record


class GateConfig(Record):
    """Config group `gate`."""

    level: float = Field(0.95, gt=0.5, lt=1, description="of the interval")
    resamples: int = Field(2000, ge=200, le=100_000)
    seed: int = Field(0, ge=0, lt=2**31)


def judge(
    experiment_id: str,
    metric: str,
    challenger: Sequence[Case],
    champion_id: str | None,
    champion: Sequence[Case] | None,
    comparisons: int,
    config: GateConfig,
    *,
    own: Estimate | None,
    is_baseline: bool,
) -> Verdict:
    """Compares the two on the same held-out cases, paired and resampled by patient.

    `own` is the challenger's metric, `is_baseline` whether its spec is the configured one. The whole
    interval of the gain above 0: promote; below 0: reject; else inconclusive. A challenger whose metric
    is undefined is rejected. `comparisons` is recorded as given: the interval is **not** corrected for
    the number of comparisons, so over many cycles chance alone will promote some.
    ValueError if the two were not measured on the same cases.
    """
    label = METRICS[metric].label

    def verdict(outcome: str, reason: str, effect: Estimate | None = None) -> Verdict:
        return Verdict.model_validate(
            {
                "experiment_id": experiment_id,
                "outcome": outcome,
                "metric": metric,
                "champion_id": champion_id,
                "effect": effect,
                "level": config.level if effect else None,
                "comparisons": comparisons,
                "reason": reason,
            }
        )

    if own is None:
        return verdict("reject", f"{label} is not defined on the held-out cases.")
    if champion_id is None or champion is None:
        return verdict("baseline", _first(f"{label} {own} (95 % interval)", is_baseline))
    gain = paired_gain(
        metric, challenger, champion, resamples=config.resamples, seed=config.seed, level=config.level
    )
    if gain is None:
        return verdict("inconclusive", f"{label} of champion {champion_id} is not defined on these cases.")
    outcome, meaning = _outcome(gain, config.level)
    # More digits where three would show an end beyond 0 as 0.
    digits = 3 if min(abs(gain.low), abs(gain.high)) >= 0.0005 else 5
    paired = f"paired gain {gain.value:+.{digits}f} [{gain.low:+.{digits}f}, {gain.high:+.{digits}f}]"
    figures = f"{label} {own.value:.3f}, {paired} ({_percent(config.level)} interval)"
    return verdict(outcome, f"{figures} over {champion_id}: {meaning}.", gain)


def _first(figures: str, is_baseline: bool) -> str:
    """A first result is accepted whatever it is, so it must not look like the answer to a comparison."""
    if is_baseline:
        return f"The configured baseline: {figures}; there is nothing to compare it with."
    return (
        f"The first result of this study: {figures}; nothing to compare with yet. "
        "It is not the configured baseline."
    )


def _outcome(gain: Estimate, level: float) -> tuple[str, str]:
    patients = gain.patients or 0
    needed = patients_needed(level)
    if patients < needed:
        return "inconclusive", f"{patients} patients are too few to tell, at least {needed} are needed"
    if gain.low > 0:
        return "promote", "the whole interval lies above 0"
    if gain.high < 0:
        return "reject", "the whole interval lies below 0"
    return "inconclusive", "the interval includes 0"


def _percent(level: float) -> str:
    return f"{level:.3%}".rstrip("%").rstrip("0").rstrip(".") + " %"


def patients_needed(level: float) -> int:
    """Fewest patients for a verdict. With fewer, even a gain in every single patient is within chance.

    By the sign test, n patients out of n improve by chance with probability 2⁻ⁿ; that must not exceed
    the interval's tail.
    """
    return math.ceil(math.log2(2 / (1 - level)))
