"""The losses a spec may name. `losses/<task>/<name>.py` offers `DEFAULTS` and `build(params, counts)`.

A loss takes logits and a target of one shape: (B, 3, S, S) one-hot of background, rim and cup, or
(B, 1) of 0 and 1; it returns a scalar. Its file imports torch and MONAI only inside `build`, so that
`DEFAULTS` can be read without them. To add a loss, write its file and its config
(`configs/loss/<task>/<name>.yaml`).
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from arc_core.experiments.metric import Task
from arc_core.experiments.spec import Loss
from arc_core.training import catalogue

if TYPE_CHECKING:
    from torch import nn


def build_loss(task: Task, loss: Loss, counts: Sequence[int]) -> "nn.Module":
    """The loss of a spec. `counts`: training cases of each class; empty where cases have no label."""
    params = catalogue.loss_params(task, loss.name, loss.params)
    module: nn.Module = catalogue.load("losses", task, loss.name).build(params, counts)
    return module
