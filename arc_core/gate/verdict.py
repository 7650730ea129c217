"""The gate's answer on a challenger: does it beat the champion beyond chance, of patients and of seeds?"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal

from pydantic import Field

from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.result import Case, NoiseFloor, Verdict
from arc_core.gate.bootstrap import paired_deviation, paired_gain, value_of
from arc_core.gate.contrast import Contrast, chance_to_pass, contrast
from arc_core.record import Record

LEAST = 1e-4
"""No error that may be risked is smaller: of rarer events bootstrap and Student's t tell nothing."""


class GateConfig(Record):
    """Config group `gate`. docs/gate.md says what each costs."""

    alpha: float = Field(0.05, ge=LEAST, lt=0.5, description="chance that a study has any false promotion")
    seeds: int = Field(3, ge=2, le=20, description="trainings of the champion, and of what may replace it")
    chance: float = Field(
        0.1, ge=0, lt=1, description="to pass, below which a challenger gets no further seeds"
    )
    loss: float = Field(0.025, ge=LEAST, lt=0.5, description="error of calling a challenger worse")
    race: float | None = Field(
        0.01,
        ge=LEAST,
        lt=0.5,
        description="error of stopping a training early as worse; null: none is stopped",
    )
    least_sensitivity: float | None = Field(0.85, ge=0, le=1, description="at the threshold; null: no limit")
    least_dri: float | None = Field(
        None, ge=0, le=1, description="null: not below the champion's beyond chance"
    )
    resamples: int = Field(2000, ge=200, le=100_000)
    seed: int = Field(0, ge=0, lt=2**31)


class Side(Record):
    """A spec as it was trained, once for each seed: ids of the trainings, and their held-out cases."""

    ids: tuple[str, ...]
    trials: tuple[tuple[Case, ...], ...]

    def values(self, metric: str) -> list[float] | None:
        """The metric of each training; None where it is undefined in one."""
        found = [value_of(metric, cases) for cases in self.trials]
        known = [value for value in found if value is not None]
        return known if len(known) == len(found) else None


Finding = Literal["promote", "reject", "inconclusive", "confirm"]
Sensitivity = Callable[[Sequence[Case]], Estimate | None]
"""Of cases at thresholds that were chosen without them."""


def decide(
    found: Contrast, challenger: int, chance: float, allowance: float, config: GateConfig
) -> tuple[Finding, str]:
    """What the figures of a comparison say, and why. `challenger`: how often it was trained.

    `chance`: to pass with further seeds. A promotion may err with probability `allowance`, a rejection with
    `config.loss`. None is promoted before all its seeds are there.
    """
    if found.p_loss <= config.loss and found.fewest >= patients_needed(config.loss):
        return "reject", "the whole interval lies below 0"
    needed = patients_needed(allowance)
    if found.fewest < needed:
        whose = "patients" if found.fewest == found.patients else "patients of the rarer class"
        return "inconclusive", f"{found.fewest} {whose} are too few to tell, at least {needed} are needed"
    if challenger < config.seeds:
        if chance >= config.chance:
            return "confirm", "its further seeds decide"
        return "inconclusive", f"with further seeds it would hardly be promoted (chance {chance:.1%})"
    if found.p_value <= allowance:
        return "promote", "the whole interval lies above 0"
    return "inconclusive", "the interval includes 0"


def judge(
    metric: str,
    challenger: Side,
    champion: Side,
    floor: NoiseFloor,
    *,
    allowance: float,
    comparison: int,
    config: GateConfig,
    sensitivity: Sensitivity | None = None,
) -> Verdict | None:
    """Compares the two on the same held-out cases; None: its further seeds have to be trained first.

    `allowance`: the error that this comparison may risk, the study's `comparison`-th. A challenger whose
    metric is undefined is rejected. ValueError if not all were measured on the same cases.
    """
    told: dict[str, Any] = {
        "experiment_id": challenger.ids[0],
        "metric": metric,
        "champion_id": champion.ids[0],
        "comparisons": comparison,
        "allowance": allowance,
        "trainings": challenger.ids,
        "champion_trainings": champion.ids,
        "noise_floor": floor,
    }
    mine, theirs, label = challenger.values(metric), champion.values(metric), METRICS[metric].label
    if mine is None:
        return Verdict(outcome="reject", reason=f"{label} is not defined on the held-out cases.", **told)
    gain = paired_deviation(
        metric, challenger.trials, champion.trials, resamples=config.resamples, seed=config.seed
    )
    if theirs is None or gain is None:
        reason = (
            f"{label} of champion {champion.ids[0]} is not defined on these cases."
            if theirs is None
            else f"How {label} varies by the choice of patients can't be told from so few of them."
        )
        return Verdict(outcome="inconclusive", reason=reason, **told)
    found = contrast(gain, mine, theirs, floor)
    more = len(mine) < config.seeds
    chance = chance_to_pass(gain, theirs, floor, config.seeds, allowance) if more else 0.0
    outcome, meaning = decide(found, len(mine), chance, allowance, config)
    broken, held = _limits(challenger, champion, config, sensitivity)
    if outcome == "confirm" and not broken:
        return None
    effect = found.between(allowance, config.loss)
    notes: list[str] = []
    if outcome == "promote":
        further = METRICS[metric].gain(_mean(mine[1:]), over=_mean(theirs))
        notes.append(f"its further seeds alone gain {further:+.3f}")
        notes.append(held)
    if broken:
        outcome, meaning, notes = "reject", f"it breaks a limit: {broken}", []
    level = 1 - allowance - config.loss
    reason = (
        f"{label} {_mean(mine):.3f} over {_trainings(mine)}, {paired(effect, level)} over {champion.ids[0]} "
        f"({_mean(theirs):.3f} over {_trainings(theirs)}): {meaning}; p {found.p_value:.2g}, "
        f"allowed {allowance:.2g} in comparison {comparison}{''.join(f'; {note}' for note in notes)}."
    )
    return Verdict(outcome=outcome, effect=effect, level=level, p_value=found.p_value, reason=reason, **told)


def first_verdict(experiment_id: str, metric: str, own: Estimate | None, *, is_baseline: bool) -> Verdict:
    """On a study's first result, `own`: accepted whatever it is, unless it has none.

    It must not look like the answer to a comparison. `is_baseline`: whether its spec is the configured one.
    """
    told: dict[str, Any] = {"experiment_id": experiment_id, "metric": metric, "comparisons": 0}
    label = METRICS[metric].label
    if own is None:
        reason = f"{label} is not defined on the held-out cases."
        return Verdict(outcome="reject", champion_id=None, reason=reason, **told)
    figures = f"{label} {own} (95 % interval)"
    reason = (
        f"The configured baseline: {figures}; there is nothing to compare it with."
        if is_baseline
        else f"The first result of this study: {figures}; nothing to compare with yet. "
        "It is not the configured baseline."
    )
    return Verdict(outcome="baseline", champion_id=None, reason=reason, **told)


def patients_needed(error: float) -> int:
    """Fewest patients for a verdict. With fewer, even a gain in every single patient is within chance.

    By the sign test, n patients out of n improve by chance with probability 2⁻ⁿ; that must not exceed
    `error`.
    """
    return math.ceil(math.log2(1 / error))


def paired(effect: Estimate, level: float) -> str:
    """A gain with its interval, in words."""
    return f"paired gain {signed(effect)} ({percent(level)} interval)"


def signed(effect: Estimate) -> str:
    """A gain with its interval."""
    # More digits where three would show an end beyond 0 as 0.
    digits = 3 if min(abs(effect.low), abs(effect.high)) >= 0.0005 else 5
    return f"{effect.value:+.{digits}f} [{effect.low:+.{digits}f}, {effect.high:+.{digits}f}]"


def percent(level: float) -> str:
    """Of an interval: `96.23 %`."""
    return f"{100 * level:.4g} %"


def _limits(
    challenger: Side, champion: Side, config: GateConfig, sensitivity: Sensitivity | None
) -> tuple[str, str]:
    """The limits that the challenger breaks, and how the others are kept, or why they can't be told."""
    broken, held = list[str](), list[str]()
    if config.least_sensitivity is not None:
        least, cases = config.least_sensitivity, challenger.trials[0]
        found = sensitivity(cases) if sensitivity is not None else None
        if found is None:
            held.append("sensitivity has no limit here, as it is not measured")
        else:
            words = f"sensitivity {found} at thresholds chosen on the other folds, limit {least}"
            (broken if found.high < least else held).append(words)
    dri, theirs = value_of("dri", challenger.trials[0]), value_of("dri", champion.trials[0])
    if dri is None:
        held.append("DRI has no limit here, as it is not measured")
    elif config.least_dri is not None:
        words = f"DRI {dri:.3f}, limit {config.least_dri}"
        (broken if dri < config.least_dri else held).append(words)
    elif theirs is not None:
        gain = paired_gain(
            "dri",
            challenger.trials[0],
            champion.trials[0],
            resamples=config.resamples,
            seed=config.seed,
        )
        words = f"DRI {dri:.3f}, the champion's {theirs:.3f}"
        (broken if gain is not None and gain.high < 0 else held).append(words)
    return "; ".join(broken), "; ".join(held)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _trainings(values: Sequence[float]) -> str:
    return "1 training" if len(values) == 1 else f"{len(values)} trainings"
