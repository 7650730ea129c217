"""How hard each case is to learn from, told from the case itself before any training."""

from typing import Literal

import torch
from torch.nn import functional

from arc_core.experiments.spec import Curriculum
from arc_core.training.curriculum import ordered
from arc_core.training.frames import Frames

_LAPLACIAN = torch.tensor([[0.0, 1, 0], [1, -4, 1], [0, 1, 0]]).view(1, 1, 3, 3)
_GREEN = 1  # the channel in which a fundus shows the most contrast


def easiest_first(frames: Frames, positions: torch.Tensor, curriculum: Curriculum) -> torch.Tensor:
    """The training cases at `positions` (n,) in the order in which a curriculum lets them in; as they are
    where there is none."""
    if curriculum.pacing == "none":
        return positions
    return ordered(positions, hardness(frames, positions, curriculum.by))


def hardness(frames: Frames, positions: torch.Tensor, by: Literal["quality", "difficulty"]) -> torch.Tensor:
    """(n,) of the cases at `positions`; greater is harder. No other case is looked at.

    Classification by difficulty needs `frames.vcdr`.
    """
    if by == "quality":
        return -torch.stack([sharpness(frames.images[position]) for position in positions.tolist()])
    if frames.targets.ndim > 1:
        cases = zip(frames.images[positions], frames.targets[positions], strict=True)
        return -torch.stack([cup_contrast(image, mask) for image, mask in cases])
    assert frames.vcdr is not None, "load_frames was not asked for the ratios"
    return on_the_wrong_side(frames.vcdr[positions], frames.targets[positions])


def sharpness(image: torch.Tensor) -> torch.Tensor:
    """Variance of the Laplacian of the green channel (Pech-Pacheco et al., ICPR 2000).

    `image` is uint8 (3, S, S); a scalar. Blur and weak contrast both lower it.
    """
    return functional.conv2d(image[None, _GREEN, None].float(), _LAPLACIAN).var()


def cup_contrast(image: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """How far cup and rim lie apart in the green channel, in their standard deviation: d′ of signal
    detection (Green and Swets, 1966).

    `image` is uint8 (3, S, S), `mask` (S, S); a scalar, 0 where one of the two has under two pixels.
    """
    green = image[_GREEN].float()
    rim, cup = green[mask == 1], green[mask == 2]
    if min(len(rim), len(cup)) < 2:
        return torch.zeros(())
    spread = ((rim.var() + cup.var()) / 2).sqrt()
    return (cup.mean() - rim.mean()).abs() / (spread + 1)  # a grey level more: a drawn region has no spread


def on_the_wrong_side(vcdr: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How far a case's ratio lies on the side of the other class, negative on its own; both (n,).

    The border is midway between the two classes' means.
    """
    positive = labels == 1
    border = (vcdr[positive].mean() + vcdr[~positive].mean()) / 2
    return torch.where(positive, border - vcdr, vcdr - border)
