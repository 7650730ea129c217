"""Which cases come in which step: shuffled anew each epoch, every case once unless a curriculum
holds some back, batches of equal size."""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch

from arc_core.training.chance import generator
from arc_core.training.curriculum import draw
from arc_core.training.frames import Frames


class Batch(NamedTuple):
    """uint8 images (B, 3, S, S), and uint8 masks (B, S, S) or labels (B,), until they are prepared; the
    ratios of `Frames.vcdr`; `number` counts an epoch's micro-batches over all processes."""

    images: torch.Tensor
    targets: torch.Tensor
    vcdr: torch.Tensor | None
    epoch: int
    number: int


class EpochBatches:
    """Iterates over one process's micro-batches of an epoch; `accumulate` of them make an optimiser step.

    An epoch takes ceil(n / batch) steps. Its micro-batches differ by at most one case, so no step is left
    with a remnant that batch norm could not use. Of `ranks` processes each takes its part of every step:
    together they see what one process with as many times more micro-batches to a step would see.

    Under a curriculum `positions` go from the easiest to the hardest, and an epoch draws from the first
    `share` of them, which whoever trains sets before each epoch.
    """

    share = 1.0

    def __init__(
        self,
        frames: Frames,
        positions: torch.Tensor,
        batch_size: int,
        accumulate: int,
        seed: int,
        *,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.frames = frames
        self.positions = positions
        self.rank, self.ranks = rank, ranks
        self.steps = math.ceil(len(positions) / batch_size)
        # A small fold may have fewer cases to a step than there should be micro-batches.
        per_step = math.ceil(len(positions) / self.steps)
        if ranks > 1:  # each process needs one in every step, or the others would wait for it
            self.steps = min(self.steps, max(1, len(positions) // ranks))
            per_step = len(positions) // self.steps // ranks
        self.accumulate = min(accumulate, max(1, per_step))
        self._seed, self._epoch = seed, 0
        self._first = self._done = 0

    @property
    def sampler(self) -> "EpochBatches":
        """What Lightning tells the epoch to."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """The order of an epoch follows from its number alone, whatever came before."""
        self._epoch = epoch

    def state_dict(self) -> dict[str, int]:
        """How many of the epoch's micro-batches are done with; Lightning keeps it in checkpoints."""
        return {"done": self._done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """The next epoch begins behind so many."""
        self._first = state["done"]

    def __len__(self) -> int:
        # With micro-batches of one case, the last step may be short of some.
        return min(self.steps * self.accumulate, math.ceil(len(self.positions) / self.ranks))

    def __iter__(self) -> Iterator[Batch]:
        frames = self.frames
        order = draw(self.positions, self.share, generator(self._seed, self._epoch))
        parts = torch.tensor_split(order, len(self) * self.ranks)
        self._done, self._first = self._first, 0
        for number in range(self.rank + self._done * self.ranks, len(parts), self.ranks):
            chosen = parts[number]
            # A tenth of the time that `images[chosen]` takes, on a CPU.
            images, targets = (each.index_select(0, chosen) for each in (frames.images, frames.targets))
            vcdr = None if frames.vcdr is None else frames.vcdr[chosen]
            yield Batch(images, targets, vcdr, self._epoch, number)
            self._done += 1  # the next one is asked for
