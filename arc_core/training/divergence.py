"""Whether a training's loss shows that it will come to nothing. Pure."""

import math
from collections.abc import Sequence
from statistics import fmean

FACTOR = 2.0  # times the moving average, as the original ARC's alarm has it
WINDOW = 5
IN_A_ROW = 3  # one bad epoch is noise, and an alarm; this many are no accident


def divergence(losses: Sequence[float]) -> str | None:
    """What is wrong with the losses of the epochs so far; None while nothing is.

    They diverge when one is not finite, or when the latest few all lie above twice the moving average
    before them and above the first epoch's.
    """
    if losses and not math.isfinite(losses[-1]):
        return f"the loss is {losses[-1]}"
    before, latest = losses[:-IN_A_ROW][-WINDOW:], losses[-IN_A_ROW:]
    if len(before) < WINDOW:
        return None
    limit = max(FACTOR * fmean(before), losses[0])
    if min(latest) <= limit:
        return None
    return (
        f"the loss has stayed above {limit:.4g}, {FACTOR:g} times its average before, for {IN_A_ROW} epochs"
    )
