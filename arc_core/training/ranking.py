"""A loss over pairs, for the area under the ROC curve."""

import torch
from torch import nn
from torch.nn import functional


class PairwiseAuc(nn.Module):
    """`auc_weight` · mean of max(0, margin − (s⁺ − s⁻))² over pairs, + `bce_weight` · cross-entropy."""

    def __init__(self, margin: float, auc_weight: float, bce_weight: float) -> None:
        super().__init__()
        self.margin, self.auc_weight, self.bce_weight = margin, auc_weight, bce_weight

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` and `target` (B, 1); a scalar."""
        pairs = target * (1 - target).T  # 1 where the row is a positive and the column a negative
        scores = logits.float()  # the difference of two large bf16 scores is too coarse
        short = functional.relu(self.margin - (scores - scores.T))
        hinge = (short.square() * pairs).sum() / pairs.sum().clamp(min=1)
        bce = functional.binary_cross_entropy_with_logits(logits, target)
        return self.auc_weight * hinge + self.bce_weight * bce
