"""The boundary loss: probabilities weighed by their distance from the reference's contour."""

import torch
from monai.losses.boundary_loss import BoundaryLoss
from torch import nn


class Boundary(nn.Module):
    """One value for rim and one for cup (Kervadec et al., MIDL 2019), distances in sides of the image.

    Negative where the prediction lies well inside. A class that fills an image, or none of it, counts 0.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loss = _Maps(include_background=False, softmax=True, batch=True, reduction="none")

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` and one-hot `target` (B, 3, S, S); (2,)."""
        value: torch.Tensor = self.loss(logits.float(), target) / logits.shape[-1]
        return value


class _Maps(BoundaryLoss):  # type: ignore[misc]  # monai is skipped by mypy
    def compute_distance_map(self, target: torch.Tensor) -> torch.Tensor:
        """On the CPU, where scipy works, after one copy for the batch instead of one for every mask."""
        maps: torch.Tensor = super().compute_distance_map(target.cpu())
        return maps.to(target.device)
