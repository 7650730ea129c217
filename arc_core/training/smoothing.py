"""Cross-entropies of two classes with label smoothing: targets 0 and 1 become s/2 and 1 − s/2
(Szegedy et al., CVPR 2016)."""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional


class SmoothedBce(nn.Module):
    """Mean over the cases of their cross-entropy, each class's part of it times its weight."""

    def __init__(self, smoothing: float, negative_weight: float = 1.0, positive_weight: float = 1.0) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.scale = negative_weight
        self.register_buffer("positive_weight", torch.tensor([positive_weight / negative_weight]))

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` and `target` (B, 1); a scalar."""
        softened = target * (1 - self.smoothing) + self.smoothing / 2
        return self.scale * functional.binary_cross_entropy_with_logits(
            logits, softened, pos_weight=self.get_buffer("positive_weight")
        )


class TwoClassCrossEntropy(nn.Module):
    """Softmax cross-entropy over the logits 0 and z; with weights, the mean over those of a micro-batch."""

    def __init__(self, smoothing: float, weights: Sequence[float] | None) -> None:
        super().__init__()
        weight = None if weights is None else torch.tensor(weights)
        self.loss = nn.CrossEntropyLoss(weight=weight, label_smoothing=smoothing)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` and `target` (B, 1); a scalar."""
        both = torch.cat([torch.zeros_like(logits), logits], dim=1)
        loss: torch.Tensor = self.loss(both, target[:, 0].long())
        return loss
