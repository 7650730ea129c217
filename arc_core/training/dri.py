"""The disc relevance index: does a classification rest on the optic disc?"""

import numpy as np

from arc_core.data.manifest import ImageCase
from arc_core.data.reader import Pixels, from_square
from arc_core.training.plan import TrainingPlan

THRESHOLD = 0.5


def measures_dri(plan: TrainingPlan, case: ImageCase) -> bool:
    """Of a classification, where the case has a reference mask."""
    return plan.spec.task == "classification" and case.mask is not None


def disc_relevance(relevance: Pixels, mask: Pixels) -> float:
    """IoU of the disc, `mask` ≥ 1, with where `relevance` is at least half of its maximum.

    `relevance` is a map (S, S) of 0 to 255 in the network's square frame; it is brought back to the image's
    own frame as predicted masks are. A map that is 0 everywhere counts 0: it does not rest on the disc.
    """
    peak = int(relevance.max())
    if peak == 0:
        return 0.0
    share = (relevance / peak).astype(np.float32)
    relevant = from_square(share[None], mask.shape[0], mask.shape[1])[0] >= THRESHOLD
    disc = mask >= 1
    return int((relevant & disc).sum()) / int((relevant | disc).sum())
