"""Unpenalised logistic regression on one variable, for many resamples at once."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from arc_core.gate.weighted import Floats

_STEPS, _GRADIENT = 50, 1e-8
_LARGEST = 500.0  # logit: beyond it the exponential overflows


def weighted_logistic(labels: NDArray[np.int64], values: Floats) -> Callable[[Floats], Floats]:
    """Intercept and slope (R, 2) of P(label) = σ(a + b·value) under weights (R, N), by Newton's method.

    sklearn's `LogisticRegression(C=inf)` gives the same, one fit of a millisecond after the other. NaN where
    the weights leave no finite fit: one class only, classes that a threshold separates, or one value only.
    """
    centre, scale = float(values.mean()), float(values.std()) or 1.0
    design = np.stack([np.ones_like(values), (values - centre) / scale])  # so that steps are well sized

    def fitted(weights: Floats) -> Floats:
        overlapping = _overlap(labels == 1, values, weights)
        used = weights[overlapping] / weights[overlapping].sum(axis=1, keepdims=True)
        coefficients, steepest = np.zeros((len(used), 2)), np.full(len(used), np.inf)
        for _ in range(_STEPS):
            expected = 1 / (1 + np.exp(-np.clip(coefficients @ design, -_LARGEST, _LARGEST)))
            gradient = (used * (labels - expected)) @ design.T
            steepest = np.abs(gradient).max(axis=1)
            if not (steepest >= _GRADIENT).any():
                break
            coefficients += _step(used * expected * (1 - expected), design, gradient)
        coefficients[~(steepest < _GRADIENT)] = np.nan
        slope = coefficients[:, 1] / scale
        found = np.full((len(weights), 2), np.nan)
        found[overlapping] = np.stack([coefficients[:, 0] - slope * centre, slope], axis=1)
        return found

    return fitted


def _step(curvature: Floats, design: Floats, gradient: Floats) -> Floats:
    """Newton's steps (R, 2), cut to a length that can't overshoot far; NaN where there is no curvature."""
    flat, tilt, steep = (curvature @ product for product in (design[0], design[1], design[1] ** 2))
    across, up = gradient.T
    with np.errstate(divide="ignore", invalid="ignore"):
        step = np.stack([steep * across - tilt * up, flat * up - tilt * across]) / (flat * steep - tilt**2)
        bounded: Floats = (step / np.maximum(1, np.abs(step).max(axis=0))).T
    return bounded


def _overlap(ill: NDArray[np.bool_], values: Floats, weights: Floats) -> NDArray[np.bool_]:
    """Whether no threshold separates the classes (Albert & Anderson, Biometrika 1984), by resample (R,)."""
    drawn = weights > 0

    def ends(of: NDArray[np.bool_]) -> tuple[Floats, Floats]:
        there = drawn & of
        low: Floats = np.where(there, values, np.inf).min(axis=1)
        high: Floats = np.where(there, values, -np.inf).max(axis=1)
        return low, high

    (ill_low, ill_high), (well_low, well_high) = ends(ill), ends(~ill)
    overlapping: NDArray[np.bool_] = (ill_low < well_high) & (well_low < ill_high)
    return overlapping
