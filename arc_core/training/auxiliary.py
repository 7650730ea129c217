"""The auxiliary task: the vertical cup-to-disc ratio, learned beside the labels or the masks.

It is there in training only; a trained network is saved and used without it.
"""

import torch
from torch import nn
from torch.nn import functional

from arc_core.experiments.metric import Task


class WithVcdr(nn.Module):
    """The loss of the task and of the ratio: (1 − weight) · primary + weight · mean absolute error."""

    def __init__(self, task: Task, weight: float, network: nn.Module) -> None:
        super().__init__()
        self.weight = weight
        self.head = VcdrHead(network) if task == "classification" else None

    def forward(
        self, primary: torch.Tensor, logits: torch.Tensor, target: torch.Tensor, vcdr: torch.Tensor | None
    ) -> torch.Tensor:
        """`logits` that the network has just given, and `target` as its loss takes them. `vcdr` (B,): only
        for classification; a segmentation has the ratio of its own, augmented, masks. A scalar."""
        if self.head is None:
            predicted = soft_vcdr(logits.float().softmax(dim=1))
            error = functional.l1_loss(predicted, soft_vcdr(target))
        else:
            assert vcdr is not None, "load_frames was not asked for the ratios"
            error = self.head(vcdr)
        return (1 - self.weight) * primary + self.weight * error


class VcdrHead(nn.Module):
    """The ratio from the pooled features, those that the network's last layer is given."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        last = last_linear(network)
        self.linear = nn.Linear(last.in_features, 1)
        self._features: list[torch.Tensor] = []
        last.register_forward_pre_hook(self._remember)

    def forward(self, vcdr: torch.Tensor) -> torch.Tensor:
        """`vcdr` (B,) of the cases that the network has just seen, NaN where unknown; the mean absolute
        error of the others, a scalar."""
        predicted = self.linear(self._features.pop()).float().sigmoid()[:, 0]
        known = ~vcdr.isnan()
        # Every part stays in the graph, even if no ratio is known: DDP waits for all gradients.
        errors = (predicted - vcdr.nan_to_num()).abs() * known
        mean: torch.Tensor = errors.sum() / known.sum().clamp(min=1)
        return mean

    def _remember(self, layer: nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        self._features[:] = inputs[:1]


def soft_vcdr(probabilities: torch.Tensor) -> torch.Tensor:
    """Ratio of the heights of cup and disc in (B, 3, S, S) of background, rim and cup; (B,).

    A height is the sum of the largest probability in each row, the projection of BoxInst (Tian et al.,
    CVPR 2021), which has a gradient. For a mask of 0 and 1 whose cup and disc have no gap between rows the
    ratio is `anatomy.vertical_cdr`.
    """
    cup, disc = probabilities[:, 2], 1 - probabilities[:, 0]
    height, disc_height = (part.amax(dim=2).sum(dim=1) for part in (cup, disc))
    return height / disc_height.clamp(min=1e-6)


def last_linear(network: nn.Module) -> nn.Linear:
    """The layer that turns pooled features into the logit."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]
