"""Which cases come in which step: shuffled anew each epoch, every case once unless a curriculum
holds some back, batches of equal size."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch

from arc_core.training.curriculum import draw
from arc_core.training.frames import Frames


class Batch(NamedTuple):
    """uint8 images (B, 3, S, S), and uint8 masks (B, S, S) or labels (B,); the ratios of `Frames.vcdr`."""

    images: torch.Tensor
    targets: torch.Tensor
    vcdr: torch.Tensor | None = None


class EpochBatches:
    """Iterates over one epoch's micro-batches. `accumulate` of them make one optimiser step.

    An epoch takes ceil(n / batch) steps. Its micro-batches differ by at most one case, so no step is left
    with a remnant that batch norm could not use.

    Under a curriculum `positions` go from the easiest to the hardest, and an epoch draws from the first
    `share` of them, which whoever trains sets before each epoch.
    """

    share = 1.0

    def __init__(
        self, frames: Frames, positions: torch.Tensor, batch_size: int, accumulate: int, seed: int
    ) -> None:
        self.frames = frames
        self.positions = positions
        self.steps = math.ceil(len(positions) / batch_size)
        # A small fold may have fewer cases to a step than there should be micro-batches.
        self.accumulate = min(accumulate, math.ceil(len(positions) / self.steps))
        self._generator = torch.Generator().manual_seed(seed)

    def __len__(self) -> int:
        # With micro-batches of one case, the last step may be short of some.
        return min(self.steps * self.accumulate, len(self.positions))

    def __iter__(self) -> Iterator[Batch]:
        frames, order = self.frames, draw(self.positions, self.share, self._generator)
        for chosen in torch.tensor_split(order, len(self)):
            vcdr = None if frames.vcdr is None else frames.vcdr[chosen]
            yield Batch(frames.images[chosen], frames.targets[chosen], vcdr)
