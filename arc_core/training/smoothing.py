"""Binary cross-entropy with label smoothing."""

import torch
from torch import nn
from torch.nn import functional


class SmoothedBce(nn.Module):
    """Targets 0 and 1 become s/2 and 1 − s/2 (Szegedy et al., CVPR 2016)."""

    def __init__(self, smoothing: float, positive_weight: float = 1.0) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.register_buffer("positive_weight", torch.tensor([positive_weight]))

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` and `target` (B, 1); a scalar."""
        softened = target * (1 - self.smoothing) + self.smoothing / 2
        return functional.binary_cross_entropy_with_logits(
            logits, softened, pos_weight=self.get_buffer("positive_weight")
        )
