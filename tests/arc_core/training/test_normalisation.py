import pytest
import torch

from arc_core.training.normalisation import normalise


def photographs():
    torch.manual_seed(0)
    return torch.rand(2, 3, 64, 64) * 0.3 + 0.4


def test_unit_leaves_values_as_they_are():
    images = photographs()

    assert torch.equal(normalise(images, "unit"), images)


@pytest.mark.parametrize("kind", ["standardise", "contrast"])
def test_each_channel_of_each_image_gets_mean_zero_and_deviation_one(kind):
    values = normalise(photographs(), kind)

    assert values.mean(dim=(2, 3)).abs().max() < 1e-4
    assert (values.std(dim=(2, 3)) - 1).abs().max() < 0.02


def test_contrast_takes_uneven_light_away():
    flat = photographs()
    lit = flat + torch.linspace(-0.2, 0.2, 64).view(1, 1, 1, 64)

    def change(kind):
        return (normalise(lit, kind) - normalise(flat, kind)).abs().mean()

    assert change("contrast") < 0.3 * change("standardise")


def test_a_black_image_stays_finite():
    assert torch.isfinite(normalise(torch.zeros(1, 3, 32, 32), "contrast")).all()
