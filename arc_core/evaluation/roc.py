"""The ROC curve: DeLong's interval of its area, the area at high specificity, and a band around it."""

from collections.abc import Sequence
from dataclasses import replace
from statistics import NormalDist

import numpy as np

from arc_core.evaluation.cohort import Cohort
from arc_core.experiments.metric import Estimate
from arc_core.gate.weighted import Floats, Statistic
from arc_core.record import Record

MAX_FPR = 0.1
"""Partial AUC is taken over specificities from 0.90 to 1.00."""
_FPR = np.linspace(0, 1, 51)


class Roc(Record):
    """Sensitivity at each false positive rate (1 − specificity), linear between the curve's points.

    `low` and `high`: the pointwise 95 % band over resampled patients.
    """

    fpr: tuple[float, ...]
    sensitivity: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def delong(labels: Sequence[int], scores: Sequence[float], *, level: float = 0.95) -> Estimate | None:
    """AUC with the interval of DeLong, DeLong & Clarke-Pearson (Biometrics 1988), clipped to [0, 1].

    From the placement values, as in Sun & Xu (IEEE SPL 2014). It takes images for independent, so where
    patients have several it is too narrow; and it has no width where the classes are separated. None with
    fewer than two images of a class.
    """
    values, ill = np.asarray(scores, np.float64), np.asarray(labels) == 1
    positives, negatives = np.sort(values[ill]), np.sort(values[~ill])
    if min(len(positives), len(negatives)) < 2:
        return None

    def below(sorted_values: Floats, at: Floats) -> Floats:
        """The share of `sorted_values` under each of `at`, half of those that equal it."""
        sides = [np.searchsorted(sorted_values, at, side=side) for side in ("left", "right")]
        return (sides[0] + sides[1]) / (2 * len(sorted_values))

    of_ill, of_healthy = below(negatives, positives), 1 - below(positives, negatives)
    auc = float(of_ill.mean())
    variance = of_ill.var(ddof=1) / len(of_ill) + of_healthy.var(ddof=1) / len(of_healthy)
    half = NormalDist().inv_cdf((1 + level) / 2) * float(np.sqrt(variance))
    return Estimate(value=auc, low=max(0.0, auc - half), high=min(1.0, auc + half))


def weighted_partial_auc(
    labels: Sequence[int], scores: Sequence[float], *, max_fpr: float = MAX_FPR
) -> Statistic:
    """Area under the ROC curve left of `max_fpr`, which is the most it can be, under weights (R, N).

    NaN in a resample that has one class only.
    """
    curve = _Curve(labels, scores)

    def area(weights: Floats) -> Floats:
        across, up = curve.points(weights)
        ends = np.minimum(across, max_fpr)  # segments beyond it shrink to nothing
        steps, wholes = np.diff(ends, axis=1), np.diff(across, axis=1)
        reached = np.divide(steps, wholes, out=np.ones_like(steps), where=wholes > 0)
        found: Floats = (steps * (up[:, :-1] + reached * np.diff(up, axis=1) / 2)).sum(axis=1)
        return found

    return area


def standardised(partial: Estimate, *, max_fpr: float = MAX_FPR) -> Estimate:
    """A partial area so that 0.5 is chance and 1 perfect: McClish (Med Decis Making 1989)."""
    least = max_fpr**2 / 2  # under the diagonal

    def scaled(area: float) -> float:
        return (1 + (area - least) / (max_fpr - least)) / 2

    return replace(partial, value=scaled(partial.value), low=scaled(partial.low), high=scaled(partial.high))


def roc_of(cohort: Cohort) -> Roc | None:
    """None where the cohort is not scored."""
    if cohort.scored is None:
        return None
    curve = _Curve(*cohort.scored)

    def sensitivities(weights: Floats) -> Floats:
        points = zip(*curve.points(weights), strict=True)
        return np.array([np.interp(_FPR, across, up) for across, up in points])

    own, drawn = cohort.drawn(sensitivities)
    low, high = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    columns = {"fpr": _FPR, "sensitivity": own, "low": low, "high": high}
    return Roc.model_validate({name: tuple(map(float, column)) for name, column in columns.items()})


class _Curve:
    """The ROC curve of N scores under any weights."""

    def __init__(self, labels: Sequence[int], scores: Sequence[float]) -> None:
        values = np.asarray(scores, np.float64)
        self._order = np.argsort(-values, kind="stable")
        self._ill = np.asarray(labels, np.float64)[self._order]
        self._ends = np.flatnonzero(np.r_[np.diff(values[self._order]) < 0, True])  # of each group of ties

    def points(self, weights: Floats) -> tuple[Floats, Floats]:
        """False positive rates and sensitivities, (R, K) each, from (0, 0) to (1, 1); NaN for one class."""
        ordered = weights[:, self._order]
        rates = []
        for counts in (ordered * (1 - self._ill), ordered * self._ill):
            summed = np.pad(np.cumsum(counts, axis=1)[:, self._ends], ((0, 0), (1, 0)))
            total = summed[:, -1:]
            rates.append(np.divide(summed, total, out=np.full_like(summed, np.nan), where=total > 0))
        return rates[0], rates[1]
