"""The fold models of an experiment as one network."""

from collections.abc import Iterable

import torch
from torch import nn

from arc_core.training.normalisation import Normalisation, normalise
from arc_core.training.reading import probabilities_of


class Ensemble(nn.Module):
    """The mean of what each fold's network says. `normalisation` is the one they were trained with."""

    def __init__(self, networks: Iterable[nn.Module], normalisation: Normalisation) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.normalisation = normalisation

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Float images (B, 3, S, S) in [0, 1] to probabilities (B, 3, S, S), or (B, 1) of glaucoma."""
        batch = normalise(images, self.normalisation)
        return torch.stack([probabilities_of(network(batch)) for network in self.networks]).mean(dim=0)
