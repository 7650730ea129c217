"""Held-out cases as the tests of the statistics need them."""

import math

import numpy as np
from hypothesis import strategies as st

from arc_core.experiments.result import Case

SCORES = [0.1, 0.2, 0.5, 0.9]
"""Few, so that there are ties."""


def cases_of(labels, scores, *, folds=2, eyes=1) -> list[Case]:
    return [
        Case(
            image_id=f"i{place:04}",
            patient_id=f"p{place // eyes:04}",
            fold=place % folds,
            label=int(label),
            probability=float(score),
        )
        for place, (label, score) in enumerate(zip(labels, scores, strict=True))
    ]


def drawn_apart(count: int, *, slope: float = 1.0, intercept: float = 0.0, seed: int = 0):
    """Labels and the probabilities of a model whose calibration has that slope and intercept."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, count)
    labels = (rng.random(count) < 1 / (1 + np.exp(-(intercept + slope * logits)))).astype(int)
    return labels.tolist(), [1 / (1 + math.exp(-logit)) for logit in logits]


@st.composite
def scored(draw, *, most=40):
    """Labels of both classes, scores with ties, and weights that leave both classes in."""
    count = draw(st.integers(2, most))

    def some(each):
        return draw(st.lists(each, min_size=count - 2, max_size=count - 2))

    labels, weights = [0, 1, *some(st.integers(0, 1))], [1, 1, *some(st.integers(0, 4))]
    return labels, draw(st.lists(st.sampled_from(SCORES), min_size=count, max_size=count)), weights
