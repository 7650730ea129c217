"""The decision curve: is acting on the model better than acting on everybody, or on nobody?"""

from collections.abc import Sequence

import numpy as np

from arc_core.record import Record

THRESHOLDS = tuple(percent / 100 for percent in range(1, 100))


class DecisionCurve(Record):
    """Net benefit per case at each threshold probability; that of treating nobody is 0."""

    thresholds: tuple[float, ...]
    model: tuple[float, ...]
    treat_all: tuple[float, ...]


def decision_curve(
    labels: Sequence[int], scores: Sequence[float], thresholds: Sequence[float] = THRESHOLDS
) -> DecisionCurve:
    """Vickers & Elkin (Med Decis Making 2006): true positives less false positives at the threshold's odds.

    At the cases' own prevalence. A score at the threshold counts as positive.
    """
    ill, values = np.asarray(labels) == 1, np.asarray(scores, np.float64)
    bounds = np.asarray(thresholds, np.float64)
    odds = bounds / (1 - bounds)
    treated = values[:, None] >= bounds
    model = treated[ill].sum(axis=0) / len(ill) - treated[~ill].sum(axis=0) / len(ill) * odds
    treat_all = ill.mean() - (1 - ill.mean()) * odds
    return DecisionCurve(
        thresholds=tuple(thresholds), model=tuple(model.tolist()), treat_all=tuple(treat_all.tolist())
    )
