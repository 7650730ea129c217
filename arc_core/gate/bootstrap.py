"""Metrics with their intervals, from held-out cases, by resampling patients (not images).

Images of one patient are not independent, so patients are drawn with replacement and bring all their
images (cluster bootstrap: Davison & Hinkley 1997, §3.8; percentile interval). One resample is a row of
weights, how often each image occurs in it, so that many resamples are one array operation.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from arc_core.errors import ExperimentFailed
from arc_core.experiments.metric import METRICS, OF_TASK, Estimate, Task
from arc_core.experiments.result import Case
from arc_core.gate.weighted import (
    Floats,
    Statistic,
    patient_weights,
    weighted_auc,
    weighted_mean,
    weighted_sensitivity,
)

RESAMPLES = 2000

_MEANS: dict[str, Callable[[Case], float | None]] = {
    "mean_dice": lambda case: case.mean_dice,
    "disc_dice": lambda case: case.disc_dice,
    "cup_dice": lambda case: case.cup_dice,
    "vcdr_mae": lambda case: case.vcdr_error,
    "brier": lambda case: _squared_error(case),
    "dri": lambda case: case.dri,
}


def measure(
    cases: Sequence[Case], task: Task, *, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Estimate]:
    """Every metric of the task that is defined on these cases, with its 95 % interval."""
    found = {name: interval(cases, name, resamples=resamples, seed=seed) for name in OF_TASK[task]}
    return {name: estimate for name, estimate in found.items() if estimate is not None}


def interval(
    cases: Sequence[Case],
    metric: str,
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate | None:
    """The metric over all cases, with its interval.

    None where it is undefined: a case lacks the value, or there is one class only. ExperimentFailed if
    a value is not finite. ValueError if an image occurs twice.
    """
    cases = _concerned(metric, in_order(cases))
    statistic = _statistic(cases, metric)
    return None if statistic is None else _estimate(statistic, cases, resamples, seed, level)


def paired_gain(
    metric: str,
    challenger: Sequence[Case],
    champion: Sequence[Case],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
    level: float = 0.95,
) -> Estimate | None:
    """How much better the challenger is on the same cases, positive is better, with its interval.

    Both sides meet the same resampled patients, so what makes a case hard cancels out. None where the
    metric is undefined. ValueError if the two differ in their images, patients or labels.
    """
    paired = _paired(metric, [challenger], [champion])
    return None if paired is None else _estimate(*paired, resamples, seed, level)


class Deviation(NamedTuple):
    """A paired gain, positive is better, with its standard error by the choice of patients.

    `fewest`: of how many patients it is known. Of a metric that holds the ill against the healthy that is
    the rarer class: two ill among a hundred tell no more of who else might be ill than two of four.
    """

    gain: float
    error: float
    patients: int
    fewest: int


def paired_deviation(
    metric: str,
    challenger: Sequence[Sequence[Case]],
    champion: Sequence[Sequence[Case]],
    *,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Deviation | None:
    """The gain of one side's trainings over the other's, each side the mean over its own.

    All meet the same resamples. None also where one patient is all there is. ValueError as above.
    """
    paired = _paired(metric, challenger, champion)
    if paired is None:
        return None
    gain, cases = paired
    patients = [case.patient_id for case in cases]
    value = float(gain(np.ones((1, len(cases))))[0])
    drawn = np.concatenate([gain(weights) for weights in patient_weights(patients, resamples, seed)])
    drawn = drawn[np.isfinite(drawn)]
    fewest = _fewest(metric, cases)
    if not math.isfinite(value) or 2 * len(drawn) < resamples or fewest < 2:
        return None
    unbiased = math.sqrt(fewest / (fewest - 1))  # a resample of n patients varies as if their mean were known
    return Deviation(value, float(np.std(drawn)) * unbiased, len(set(patients)), fewest)


def _fewest(metric: str, cases: Sequence[Case]) -> int:
    """A patient with an ill and a healthy eye is of both classes."""
    classes = {case.label for case in cases} if metric in _BY_RANK else {None}
    return min(
        len({case.patient_id for case in cases if each is None or case.label == each}) for each in classes
    )


def value_of(metric: str, cases: Sequence[Case]) -> float | None:
    """The metric over the cases; None where it is undefined."""
    cases = _concerned(metric, in_order(cases))
    statistic = _statistic(cases, metric)
    return None if statistic is None else float(statistic(np.ones((1, len(cases))))[0])


def percentile_interval(value: float, drawn: Floats, patients: int, level: float = 0.95) -> Estimate | None:
    """`value` with the interval of what its resamples gave, `drawn` (R,).

    Resamples without a value, NaN, are left out; if they are the greater part, there is no interval.
    """
    defined = drawn[np.isfinite(drawn)]
    if not math.isfinite(value) or 2 * len(defined) < len(drawn):
        return None
    tail = (1 - level) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    return Estimate(value=value, low=float(low), high=float(high), patients=patients)


def _paired(
    metric: str, challenger: Sequence[Sequence[Case]], champion: Sequence[Sequence[Case]]
) -> tuple[Statistic, list[Case]] | None:
    """The gain as a statistic of the cases that are returned with it. None and ValueError as above."""
    sides = [[in_order(cases) for cases in side] for side in (challenger, champion)]
    for cases in itertools.chain(*sides):
        _need_same_cases(sides[0][0], cases)
    concerned = [[_concerned(metric, cases) for cases in side] for side in sides]
    first = concerned[0][0]
    if any(len(cases) != len(first) for cases in itertools.chain(*concerned)):
        return None  # one of them was measured before the metric was
    found = [[_statistic(cases, metric) for cases in side] for side in concerned]
    ours, theirs = ([each for each in side if each is not None] for side in found)
    if len(ours) != len(challenger) or len(theirs) != len(champion):
        return None
    sign = 1.0 if METRICS[metric].higher_is_better else -1.0

    def gain(weights: Floats) -> Floats:
        mine, others = (np.mean([each(weights) for each in side], axis=0) for side in (ours, theirs))
        return np.asarray(sign * (mine - others))

    return gain, first


def _estimate(
    statistic: Statistic, cases: Sequence[Case], resamples: int, seed: int, level: float
) -> Estimate | None:
    patients = [case.patient_id for case in cases]
    value = float(statistic(np.ones((1, len(cases))))[0])
    drawn = np.concatenate([statistic(weights) for weights in patient_weights(patients, resamples, seed)])
    return percentile_interval(value, drawn, len(set(patients)), level)


def _statistic(cases: Sequence[Case], metric: str) -> Statistic | None:
    if metric in _BY_RANK:
        labels = _column(cases, metric, lambda case: case.label)
        scores = _column(cases, metric, lambda case: case.probability)
        if labels is None or scores is None or len(set(labels)) < 2:
            return None
        return _BY_RANK[metric]([int(label) for label in labels], scores)
    values = _column(cases, metric, _MEANS[metric])
    return None if values is None else weighted_mean(values)


_BY_RANK: dict[str, Callable[[Sequence[int], Sequence[float]], Statistic]] = {
    "auc": weighted_auc,
    "sensitivity_at_85": partial(weighted_sensitivity, specificity=0.85),
    "sensitivity_at_95": partial(weighted_sensitivity, specificity=0.95),
}


def _column(
    cases: Sequence[Case], metric: str, value_of: Callable[[Case], float | None]
) -> list[float] | None:
    """One value per case; None if any case lacks it, as leaving cases out would flatter."""
    column: list[float] = []
    for case in cases:
        value = value_of(case)
        if value is None:
            return None
        if not math.isfinite(value):
            raise ExperimentFailed(f"{metric} of image {case.image_id} is {value}, not a finite number")
        column.append(value)
    return column or None


def _concerned(metric: str, cases: list[Case]) -> list[Case]:
    """DRI is taken over the cases with a reference mask. Which have one is not for a network to choose, so
    leaving the others out flatters none."""
    return [case for case in cases if case.dri is not None] if metric == "dri" else cases


def _squared_error(case: Case) -> float | None:
    if case.probability is None or case.label is None:
        return None
    return (case.probability - case.label) ** 2


def in_order(cases: Sequence[Case]) -> list[Case]:
    """By image. ValueError if one occurs twice."""
    ordered = sorted(cases, key=lambda case: case.image_id)
    for one, next_one in itertools.pairwise(ordered):
        if one.image_id == next_one.image_id:
            raise ValueError(f"image {one.image_id} was measured twice")
    return ordered


def _need_same_cases(ours: Sequence[Case], theirs: Sequence[Case]) -> None:
    def identity(case: Case) -> tuple[str, str, int | None]:
        return case.image_id, case.patient_id, case.label

    odd = {identity(case) for case in ours} ^ {identity(case) for case in theirs}
    if odd:
        raise ValueError(
            f"challenger and champion were not measured on the same cases: {len(odd)} differ, "
            f"first {min(odd, key=lambda item: item[0])[0]}"
        )
