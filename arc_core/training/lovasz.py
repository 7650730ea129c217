"""The Lovász-softmax loss: a convex surrogate of the Jaccard index."""

import numpy as np
import torch
from torch import nn


class LovaszSoftmax(nn.Module):
    """One value for rim and one for cup, over all pixels of the batch (Berman et al., CVPR 2018).

    A class of which the batch has no pixel counts 0, as in the paper's "present" classes.
    """

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """`logits` and one-hot `target` (B, 3, S, S); (2,)."""
        probabilities = logits.float().softmax(dim=1)[:, 1:]
        truth = target[:, 1:].transpose(0, 1).flatten(1)
        errors = (truth - probabilities.transpose(0, 1).flatten(1)).abs()
        order = _from_the_largest(errors.detach())
        steps = jaccard_steps(truth.gather(1, order))
        present = truth.amax(dim=1)
        return (errors.gather(1, order) * steps).sum(dim=1) * present


def jaccard_steps(truth: torch.Tensor) -> torch.Tensor:
    """What each pixel adds to the Jaccard loss when the pixels of (C, P) are got wrong one after another.

    The paper's algorithm 1: the gradient of the Lovász extension at errors sorted from the largest.
    """
    # Whole numbers: exact in any size, and repeatable on a GPU, where sums of reals are not.
    positive = truth.long()
    size = positive.sum(dim=1, keepdim=True)
    missed, invented = positive.cumsum(dim=1), (1 - positive).cumsum(dim=1)
    loss = 1 - (size - missed) / (size + invented)
    return torch.cat([loss[:, :1], loss.diff(dim=1)], dim=1)


def _from_the_largest(errors: torch.Tensor) -> torch.Tensor:
    """Where the errors of (C, P) stand in descending order; of equals, in any."""
    if errors.device.type != "cpu":
        return errors.argsort(dim=1, descending=True)
    # The vectorised sort of numpy takes a seventh of the time of torch's, which is most of this loss's.
    return torch.from_numpy(np.argsort(-errors.numpy(), axis=1))
