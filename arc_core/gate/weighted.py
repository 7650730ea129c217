"""Metrics as functions of weights: how often each image counts, so that many resamples are one operation."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
# Weights of N images in R resamples, (R, N), to R values; NaN where a resample leaves it undefined.
Statistic = Callable[[Floats], Floats]

_CHUNK = 4_000_000  # weights held at once, 32 MB


def weighted_auc(labels: Sequence[int], scores: Sequence[float]) -> Statistic:
    """Area under the ROC curve under weights: Mann–Whitney's U with half for ties.

    NaN in a resample that has one class only.
    """
    values = np.asarray(scores, np.float64)
    order = np.argsort(values, kind="stable")
    positive = np.asarray(labels, np.float64)[order]
    starts = np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])  # where each group of ties begins

    def auc(weights: Floats) -> Floats:
        ordered = weights[:, order]
        hits = np.add.reduceat(ordered * positive, starts, axis=1)
        misses = np.add.reduceat(ordered * (1 - positive), starts, axis=1)
        below = np.cumsum(misses, axis=1) - misses / 2
        pairs = hits.sum(axis=1) * misses.sum(axis=1)
        wins = (hits * below).sum(axis=1)
        area: Floats = np.full(len(pairs), np.nan)
        np.divide(wins, pairs, out=area, where=pairs > 0)
        return area

    return auc


def weighted_sensitivity(labels: Sequence[int], scores: Sequence[float], *, specificity: float) -> Statistic:
    """The highest sensitivity at any threshold whose specificity is at least `specificity`, under weights.

    A score at the threshold counts as positive. NaN in a resample that has one class only.
    """
    values = np.asarray(scores, np.float64)
    order = np.argsort(-values, kind="stable")
    positive = np.asarray(labels, np.float64)[order]
    ends = np.flatnonzero(np.r_[np.diff(values[order]) < 0, True])  # the last of each group of ties

    def sensitivity(weights: Floats) -> Floats:
        ordered = weights[:, order]
        hits = np.cumsum(ordered * positive, axis=1)
        alarms = np.cumsum(ordered * (1 - positive), axis=1)
        ill, healthy = hits[:, -1], alarms[:, -1]
        # Weights are counts, so the tolerance only undoes the rounding of the bound.
        allowed = alarms[:, ends] <= ((1 - specificity) * healthy + 1e-9)[:, None]
        found = np.where(allowed, hits[:, ends], 0).max(axis=1)
        share: Floats = np.full(len(found), np.nan)
        np.divide(found, ill, out=share, where=(ill > 0) & (healthy > 0))
        return share

    return sensitivity


def weighted_mean(values: Sequence[float]) -> Statistic:
    """The mean over images under weights."""
    column = np.asarray(values, np.float64)
    return lambda weights: (weights @ column) / weights.sum(axis=1)


def patient_weights(patients: Sequence[str], resamples: int, seed: int) -> Iterator[Floats]:
    """How often each image occurs in each resample of patients: blocks of (rows, images)."""
    names, owner = np.unique(np.asarray(patients), return_inverse=True)
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // len(owner))
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=size)
        yield counts[:, owner].astype(np.float64)
