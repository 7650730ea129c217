"""Soft Dice plus the boundary loss of rim and cup (Kervadec et al., MIDL 2019).

As in the paper, the boundary loss is added to a loss of regions: alone it has little to say where a
prediction is far off.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from arc_core.training.weighting import Classes

if TYPE_CHECKING:
    from torch import nn

DEFAULTS = {"dice_weight": 1.0, "boundary_weight": 1.0}
WEIGHTED = True


def build(params: Mapping[str, float], classes: Classes) -> "nn.Module":
    """Distances are shares of the image's side, so that a weight means the same at every size."""
    from arc_core.training.combination import MeanOverClasses, WeightedSum
    from arc_core.training.distance import Boundary
    from arc_core.training.losses.segmentation import dice

    return WeightedSum(
        (params["dice_weight"], lambda: dice.build({}, classes)),
        (params["boundary_weight"], lambda: MeanOverClasses(Boundary(), classes)),
    )
