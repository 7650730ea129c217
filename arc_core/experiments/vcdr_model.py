"""From the vertical cup-to-disc ratio to a probability of glaucoma."""

import math

from arc_core.record import Record


class VcdrModel(Record):
    """P(glaucoma) = σ(intercept + slope · vCDR), fitted on out-of-fold predictions."""

    intercept: float
    slope: float

    def probability_of(self, vcdr: float | None) -> float | None:
        """P(glaucoma) at a ratio; None without one. One rule for held-out cases and for new images."""
        return None if vcdr is None else 1 / (1 + math.exp(-(self.intercept + self.slope * vcdr)))
