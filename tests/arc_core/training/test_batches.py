import math

import torch
from hypothesis import assume, given
from hypothesis import strategies as st

from arc_core.training.batches import EpochBatches
from arc_core.training.frames import Frames


def batches(count, batch_size, accumulate, seed=0, **place):
    # Each image is its own number, to tell which came.
    images = torch.arange(count, dtype=torch.int64).view(-1, 1, 1, 1)
    return EpochBatches(
        Frames((), images, images.view(-1)), torch.arange(count), batch_size, accumulate, seed, **place
    )


@given(st.integers(1, 60), st.integers(1, 16), st.integers(1, 8))
def test_an_epoch_shows_every_case_once_in_even_batches(count, micro_batch, accumulate):
    source = batches(count, micro_batch * accumulate, accumulate)
    epoch = [batch.targets for batch in source]

    assert sorted(torch.cat(epoch).tolist()) == list(range(count))
    sizes = [len(part) for part in epoch]
    assert max(sizes) - min(sizes) <= 1
    assert 0 < min(sizes) <= max(sizes) <= micro_batch
    # Lightning takes a step after each `accumulate` micro-batches, and after an epoch's last.
    assert (
        math.ceil(len(epoch) / source.accumulate)
        == source.steps
        == math.ceil(count / (micro_batch * accumulate))
    )


def test_each_epoch_has_an_order_of_its_own_and_the_seed_decides_it():
    first, again = batches(32, 8, 1), batches(32, 8, 1)

    def order(source: EpochBatches, epoch: int) -> list[int]:
        source.set_epoch(epoch)
        return torch.cat([batch.targets for batch in source]).tolist()

    assert order(first, 0) != order(first, 1)
    assert order(first, 0) == order(again, 0)
    assert order(batches(32, 8, 1), 1) == order(first, 1), "whatever came before"


@given(st.integers(2, 60), st.integers(1, 8), st.integers(1, 4), st.integers(2, 4))
def test_processes_share_every_step_of_an_epoch(count, micro_batch, accumulate, ranks):
    assume(count >= ranks)
    shares = [
        batches(count, micro_batch * accumulate * ranks, accumulate, rank=rank, ranks=ranks)
        for rank in range(ranks)
    ]
    parts = [list(share) for share in shares]
    assert sorted(torch.cat([batch.targets for part in parts for batch in part]).tolist()) == list(
        range(count)
    )
    assert len({len(part) for part in parts}) == 1, "none waits for another"
    assert len(parts[0]) == len(shares[0]) == shares[0].steps * shares[0].accumulate
    numbers = [batch.number for step in zip(*parts, strict=True) for batch in step]
    assert numbers == list(range(len(numbers)))
