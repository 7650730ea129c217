"""The simulated task is neither trivial nor hopeless, shown by truly training on it."""

from collections.abc import Iterator

import numpy as np
import pytest

from arc_core.data.manifest import Dataset, read_dataset
from arc_core.data.reader import read_image, read_mask, to_square
from arc_core.data.splits import make_split
from arc_core.data.synthetic import SyntheticConfig, generate

SIDE_PX = 64


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Pictures this small gain nothing from more threads, which wait on each other on a busy machine."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Dataset:
    root = tmp_path_factory.mktemp("difficulty") / "eyes"
    generate(SyntheticConfig(image_size_px=96), root)
    return read_dataset(root, "segmentation")


def arrays(dataset: Dataset, ids: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    cases = [case for case in dataset.cases if case.image_id in ids]
    images = np.stack([to_square(read_image(dataset.image_path(case)), SIDE_PX) for case in cases])
    masks = np.stack([to_square(read_mask(dataset.mask_path(case)), SIDE_PX) for case in cases])
    planes = images.transpose(0, 3, 1, 2) / np.float32(255)
    planes = (planes - planes.mean((2, 3), keepdims=True)) / planes.std((2, 3), keepdims=True)
    return planes.astype(np.float32), masks.astype(np.int64)


def cup_dice(predicted: np.ndarray, truth: np.ndarray) -> float:
    pairs = [(one == 2, other == 2) for one, other in zip(predicted, truth, strict=True)]
    return float(np.mean([2 * (a & b).sum() / (a.sum() + b.sum()) for a, b in pairs]))


def trained(dataset: Dataset, channels: tuple[int, ...], epochs: int) -> float:
    """Cup Dice on the held-out fold of a U-Net of the given size."""
    import torch
    from monai.losses import DiceCELoss
    from monai.networks.nets import UNet

    split = make_split(dataset, 4, 0)
    images, masks = (torch.from_numpy(part) for part in arrays(dataset, split.training(0)))
    held_images, held_masks = arrays(dataset, split.held_out(0))
    torch.manual_seed(0)
    net = UNet(2, 3, 3, channels, (2,) * (len(channels) - 1), num_res_units=1, norm="batch")
    optimiser = torch.optim.AdamW(net.parameters(), 3e-3)
    loss = DiceCELoss(to_onehot_y=True, softmax=True)
    for _ in range(epochs):
        for batch in torch.randperm(len(images))[:32].split(8):
            optimiser.zero_grad()
            loss(net(images[batch]), masks[batch, None]).backward()
            optimiser.step()
    net.eval()
    with torch.no_grad():
        predicted = net(torch.from_numpy(held_images)).argmax(1).numpy()
    return cup_dice(predicted, held_masks)


def test_a_tiny_model_scores_clearly_under_a_good_one(dataset):
    split = make_split(dataset, 4, 0)
    (_, masks), (_, held) = arrays(dataset, split.training(0)), arrays(dataset, split.held_out(0))
    average = 2 * np.tile((masks == 2).mean(0) > 0.5, (len(held), 1, 1))
    tiny, good = trained(dataset, (4, 8), 4), trained(dataset, (16, 32, 64), 20)
    assert good > tiny + 0.1
    assert good > cup_dice(average, held) + 0.1  # it looks at the picture, not only where discs lie
    assert good < 0.97
