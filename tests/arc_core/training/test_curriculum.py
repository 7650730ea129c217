import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from arc_core.experiments.spec import Curriculum
from arc_core.training.batches import EpochBatches
from arc_core.training.curriculum import active_share, draw, ordered
from arc_core.training.frames import Frames
from arc_core.training.hardness import cup_contrast, easiest_first, hardness, on_the_wrong_side, sharpness

PACINGS = ("linear", "exponential", "step", "adaptive")


def shares(pacing, epochs=10, losses=(), **fields):
    curriculum = Curriculum(pacing=pacing, **{"start_share": 0.2, "full_by": 0.5, **fields})
    return [active_share(curriculum, epoch, epochs, losses[:epoch]) for epoch in range(epochs)]


@pytest.mark.parametrize(
    ("pacing", "expected"),
    [
        ("none", [1, 1, 1, 1, 1]),
        ("linear", [0.2, 0.4, 0.6, 0.8, 1]),
        ("exponential", [0.2, 0.2**0.75, 0.2**0.5, 0.2**0.25, 1]),
        ("step", [0.2, 0.2, 0.2, 0.2, 1]),
    ],
)
def test_a_pacing_goes_from_its_start_to_all_by_its_end(pacing, expected):
    assert shares(pacing, epochs=8) == pytest.approx([*expected, 1, 1, 1])


@given(
    st.sampled_from(PACINGS),
    st.floats(0.1, 1),
    st.floats(0.1, 1),
    st.lists(st.floats(-5, 5), min_size=1, max_size=40),
)
def test_no_share_ever_falls_or_leaves_its_range(pacing, start, full_by, losses):
    found = shares(pacing, len(losses), losses, start_share=start, full_by=full_by)
    assert found == sorted(found)
    assert all(start - 1e-9 <= share <= 1 + 1e-9 for share in found)


def test_adaptive_follows_the_fall_of_the_loss():
    slow, fast = ([1.0 - fall * epoch for epoch in range(10)] for fall in (0.01, 0.1))
    slow_shares, fast_shares = (shares("adaptive", losses=each, full_by=1) for each in (slow, fast))

    assert fast_shares[2] == pytest.approx(0.2 + 0.8 * 0.2)  # fallen by 0.1, on the way to 0.5
    assert fast_shares[6] == 1
    assert slow_shares[6] == pytest.approx(0.2 + 0.8 * 0.1)


def test_a_loss_that_rises_again_takes_no_case_away():
    falling, rising = [1.0, 0.8], [1.0, 0.8, 3.0]
    one, other = (active_share(Curriculum(pacing="adaptive"), 3, 10, each) for each in (falling, rising))
    assert one == other


def test_all_cases_are_in_by_the_end_whatever_the_loss():
    assert shares("adaptive", losses=[1.0] * 10)[4:] == [0.2] + [1.0] * 5


@given(st.integers(1, 50), st.floats(0.01, 1), st.integers(0, 99))
def test_an_epoch_draws_as_many_cases_as_ever_each_as_often(count, share, seed):
    positions = torch.arange(count) * 10
    drawn = draw(positions, share, torch.Generator().manual_seed(seed))

    assert len(drawn) == count
    values, times = drawn.unique(return_counts=True)
    active = max(1, round(share * count + 0.4999))
    assert values.tolist() == positions[: len(values)].tolist()
    assert abs(len(values) - active) <= 1
    assert int(times.max() - times.min()) <= 1


def test_a_share_is_rounded_up_but_not_by_noise():
    assert [len(draw(torch.arange(10), share, torch.Generator()).unique()) for share in (0.1 * 3, 0.31)] == [
        3,
        4,
    ]


def test_without_a_curriculum_an_epoch_is_one_shuffle_of_all():
    drawn = draw(torch.arange(20), 1.0, torch.Generator().manual_seed(5))
    assert torch.equal(drawn, torch.randperm(20, generator=torch.Generator().manual_seed(5)))


def test_epochs_draw_from_the_share_that_they_are_given():
    images = torch.arange(12).view(-1, 1, 1, 1)
    source = EpochBatches(Frames((), images, images.view(-1)), torch.arange(12).flip(0), 4, 1, 0)

    source.share = 0.25
    batches = [batch.targets for batch in source]

    assert len(batches) == source.steps == 3
    assert torch.cat(batches).unique().tolist() == [9, 10, 11]


def test_positions_are_ordered_by_their_hardness_and_ties_stay():
    positions, hard = torch.tensor([7, 3, 9, 1]), torch.tensor([2.0, 1, 2, 0])
    assert ordered(positions, hard).tolist() == [1, 3, 7, 9]


def photographs(count=4, side=32):
    """Noise that is blurred more and more, over a disc and a cup that stand out less and less."""
    generator = torch.Generator().manual_seed(0)
    y, x = torch.meshgrid(torch.arange(side) - side / 2, torch.arange(side) - side / 2, indexing="ij")
    radius = (y**2 + x**2).sqrt()
    mask = (radius < 12).byte() + (radius < 6).byte()
    images = []
    for place in range(count):
        noise = torch.randn(3, side, side, generator=generator)
        for _ in range(place):
            noise = torch.nn.functional.avg_pool2d(noise, 3, stride=1, padding=1)
        images.append((100 + 10 * noise + mask * (40 - 9 * place)).clamp(0, 255).byte())
    return torch.stack(images), mask.expand(count, -1, -1)


def test_quality_puts_sharp_pictures_first():
    images, masks = photographs()
    values = [float(sharpness(image)) for image in images]
    assert values == sorted(values, reverse=True)

    frames = Frames((), images, masks)
    curriculum = Curriculum(pacing="linear", by="quality")
    assert easiest_first(frames, torch.tensor([3, 1, 2, 0]), curriculum).tolist() == [0, 1, 2, 3]
    assert easiest_first(frames, torch.tensor([3, 1]), Curriculum()).tolist() == [3, 1]


def test_the_variance_of_the_laplacian_of_a_checkerboard():
    board = 100 + 10 * ((torch.arange(8)[:, None] + torch.arange(8)) % 2 * 2 - 1)
    image = board.expand(3, -1, -1).byte()
    # Every Laplacian is ±80, as many of one sign as of the other.
    assert float(sharpness(image)) == pytest.approx(80**2 * 36 / 35)


def test_a_clear_cup_is_easy():
    images, masks = photographs()
    unblurred = images[:1].expand(4, -1, -1, -1).clone()
    for place in range(4):
        unblurred[place][:, masks[0] == 2] -= 10 * place
    hard = hardness(Frames((), unblurred, masks), torch.arange(4), "difficulty")
    assert hard.tolist() == sorted(hard.tolist())


def test_the_contrast_of_the_cup_is_counted_in_its_spread():
    image, mask = torch.zeros(3, 4, 4, dtype=torch.uint8), torch.zeros(4, 4, dtype=torch.uint8)
    mask[0], mask[1] = 1, 2
    image[1, 0], image[1, 1] = torch.tensor([9, 11, 9, 11]), torch.tensor([29, 31, 29, 31])
    assert float(cup_contrast(image, mask)) == pytest.approx(20 / ((4 / 3) ** 0.5 + 1))
    assert cup_contrast(image, mask.clamp(max=1)) == 0


def test_a_label_against_its_ratio_is_hard():
    vcdr, labels = torch.tensor([0.8, 0.4, 0.3, 0.7]), torch.tensor([1, 1, 0, 0])
    # The border is at 0.55.
    assert on_the_wrong_side(vcdr, labels).tolist() == pytest.approx([-0.25, 0.15, -0.25, 0.15])

    frames = Frames((), torch.zeros(4, 3, 8, 8, dtype=torch.uint8), labels, vcdr)
    assert hardness(frames, torch.tensor([3, 0]), "difficulty").tolist() == pytest.approx([-0.05, -0.05])
