import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_core.experiments.spec import Augmentation
from arc_core.training.augmentation import augment

NOTHING = Augmentation(flip=False)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images_and_masks(count=4):
    """A blob left of the middle, and its mask in the same place."""
    masks = torch.zeros(count, 1, 64, 64)
    masks[:, :, 20:36, 12:28] = 1
    return masks.expand(-1, 3, -1, -1) * 0.6 + 0.2, masks


def centre(masks):
    """(rows, columns), in px from the middle."""
    places = [mask[0].nonzero().float().mean(dim=0) - 31.5 for mask in masks]
    return torch.stack(places)


def test_all_limits_at_zero_change_nothing():
    images, masks = images_and_masks()

    augmented, augmented_masks = augment(images, masks, NOTHING, generator())

    assert torch.equal(augmented, images)
    assert torch.equal(augmented_masks, masks)


def test_masks_follow_their_images():
    images, masks = images_and_masks(16)
    limits = Augmentation(rotation_deg=15, scale=0.1, translation=0.1)

    augmented, augmented_masks = augment(images, masks, limits, generator())

    assert set(augmented_masks.unique().tolist()) <= {0.0, 1.0}
    bright = (augmented[:, :1] > 0.5).float()
    assert (bright != augmented_masks).float().mean() < 0.01


def test_about_half_of_the_images_are_mirrored_and_the_rest_untouched():
    images, masks = images_and_masks(200)

    augmented, augmented_masks = augment(images, masks, Augmentation(flip=True), generator())

    mirrored = centre(augmented_masks)[:, 1] > 0
    assert 70 < int(mirrored.sum()) < 130
    assert torch.allclose(augmented[mirrored], images[mirrored].flip(-1), atol=1e-5)
    assert torch.allclose(augmented[~mirrored], images[~mirrored], atol=1e-5)


@settings(max_examples=20, deadline=None)
@given(rotation=st.floats(0, 15), scale=st.floats(0, 0.1), shift=st.floats(0, 0.1), seed=st.integers(0, 999))
def test_movement_stays_within_its_limits(rotation, scale, shift, seed):
    images, masks = images_and_masks()
    limits = Augmentation(flip=False, rotation_deg=rotation, scale=scale, translation=shift)

    _, moved = augment(images, masks, limits, generator(seed))

    start, end = centre(masks), centre(moved)
    radius = start.norm(dim=1)
    farthest = radius * (2 * torch.tensor(rotation).deg2rad() + 1.2 * scale) + 1.12 * shift * 64 * 2**0.5 + 1
    assert ((end - start).norm(dim=1) <= farthest).all()
    area = moved.sum(dim=(1, 2, 3)) / masks.sum(dim=(1, 2, 3))
    assert ((area > (1 - scale) ** 2 - 0.2) & (area < (1 + scale) ** 2 + 0.2)).all()


@pytest.mark.parametrize(
    ("limits", "largest"),
    [
        ({"brightness": 0.1}, 0.1),
        ({"contrast": 0.1}, 0.1),
        ({"gamma": 0.1}, 0.1),
        ({"noise_sigma": 0.01}, 0.06),
        ({"blur_kernel_px": 3}, 0.5),
    ],
)
def test_shading_changes_values_a_little_and_no_mask(limits, largest):
    images, masks = images_and_masks(16)  # half of them are blurred

    augmented, augmented_masks = augment(images, masks, Augmentation(flip=False, **limits), generator())

    assert torch.equal(augmented_masks, masks)
    assert 0 < (augmented - images).abs().max() <= largest
    assert augmented.min() >= 0
    assert augmented.max() <= 1


def test_the_same_seed_gives_the_same_images():
    images, masks = images_and_masks()
    limits = Augmentation(rotation_deg=15, noise_sigma=0.01, blur_kernel_px=3, gamma=0.1)

    first, again, other = (augment(images, masks, limits, generator(seed))[0] for seed in (1, 1, 2))

    assert torch.equal(first, again)
    assert not torch.equal(first, other)
