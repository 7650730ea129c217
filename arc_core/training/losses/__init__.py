"""The losses a spec may name. `losses/<task>/<name>.py` offers `DEFAULTS`, `WEIGHTED` and
`build(params, classes)`.

A loss takes logits and a target of one shape: (B, 3, S, S) one-hot of background, rim and cup, or
(B, 1) of 0 and 1; it returns a scalar. No parameter is negative; of those that end in `_weight`, one
is over 0. `WEIGHTED` says whether it honours `classes.weights`; a spec that weighs classes is refused
where it doesn't. Its file imports torch and MONAI only inside `build`, so that the rest can be read
without them. To add a loss, write its file and its config (`configs/loss/<task>/<name>.yaml`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from arc_core.experiments.metric import Task
from arc_core.experiments.spec import Loss
from arc_core.training import catalogue
from arc_core.training.weighting import Weighting, classes_of

if TYPE_CHECKING:
    from torch import nn


def build_loss(task: Task, loss: Loss, counts: Sequence[int], weighting: Weighting = "none") -> "nn.Module":
    """The loss of a spec. `counts`: cases, or pixels, of each class in the training fold; the pixels are
    only needed where classes are weighted."""
    params = catalogue.loss_params(task, loss.name, loss.params)
    module: nn.Module = catalogue.load("losses", task, loss.name).build(params, classes_of(weighting, counts))
    return module
