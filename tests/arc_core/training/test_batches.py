import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from arc_core.training.batches import EpochBatches
from arc_core.training.frames import Frames


def batches(count, batch_size, accumulate, seed=0):
    # Each image is its own number, to tell which came.
    images = torch.arange(count, dtype=torch.int64).view(-1, 1, 1, 1)
    return EpochBatches(
        Frames((), images, images.view(-1)), torch.arange(count), batch_size, accumulate, seed
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
    orders = [torch.cat([batch.targets for batch in source]).tolist() for source in (first, first, again)]

    assert orders[0] != orders[1]
    assert orders[0] == orders[2]
