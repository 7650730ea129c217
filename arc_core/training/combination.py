"""How losses are put together: over classes, and of several kinds."""

from collections.abc import Callable

import torch
from torch import nn

from arc_core.training.weighting import Classes


class MeanOverClasses(nn.Module):
    """The mean of a loss that gives one value for rim and one for cup, each times its class's weight."""

    def __init__(self, loss: nn.Module, classes: Classes) -> None:
        super().__init__()
        self.loss = loss
        weights = (1.0, 1.0) if classes.weights is None else classes.weights[1:]
        self.register_buffer("weights", torch.tensor(weights))

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` and `target` (B, 3, S, S); a scalar."""
        mean: torch.Tensor = (self.loss(logits, target) * self.get_buffer("weights")).mean()
        return mean


class WeightedSum(nn.Module):
    """Σ weight · loss. A loss of weight 0 is never built."""

    def __init__(self, *parts: tuple[float, Callable[[], nn.Module]]) -> None:
        super().__init__()
        used = [(weight, build()) for weight, build in parts if weight]
        self.weights = [weight for weight, _ in used]
        self.losses = nn.ModuleList(loss for _, loss in used)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` and `target` of one shape; a scalar."""
        parts = [
            weight * loss(logits, target) for weight, loss in zip(self.weights, self.losses, strict=True)
        ]
        return torch.stack(parts).sum()
