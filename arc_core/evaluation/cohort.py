"""Held-out cases with the resamples of their patients, drawn once for every figure."""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Case
from arc_core.gate.bootstrap import RESAMPLES, in_order, percentile_interval
from arc_core.gate.weighted import Floats, patient_weights


class Cohort:
    """Cases by image; ValueError if one occurs twice. The intervals are those of the gate's bootstrap."""

    def __init__(self, cases: Sequence[Case], *, resamples: int = RESAMPLES, seed: int = 0) -> None:
        self.cases = tuple(in_order(cases))
        self._patients = [case.patient_id for case in self.cases]
        self._blocks = list(patient_weights(self._patients, resamples, seed))

    @property
    def patients(self) -> int:
        return len(set(self._patients))

    @cached_property
    def scored(self) -> tuple[list[int], list[float]] | None:
        """Labels and probabilities of the cases; None where a case lacks one, or there is one class only."""
        pairs = [
            (case.label, case.probability)
            for case in self.cases
            if case.label is not None and case.probability is not None
        ]
        if len(pairs) < len(self.cases) or len({label for label, _ in pairs}) < 2:
            return None
        return [label for label, _ in pairs], [score for _, score in pairs]

    def drawn(self, statistic: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
        """A statistic's value over all cases, of shape (…), and those of the R resamples, (R, …)."""
        everyone = statistic(np.ones((1, len(self.cases))))[0]
        return everyone, np.concatenate([statistic(weights) for weights in self._blocks])

    def estimate(self, statistic: Callable[[Floats], Floats]) -> Estimate | None:
        """A statistic of one value with its 95 % interval; None where it has none."""
        value, drawn = self.drawn(statistic)
        return percentile_interval(float(value), drawn, self.patients)
