"""Random changes to a whole batch at once, within the clinical limits of `Augmentation`.

They act on the photograph, values in [0, 1], before it is normalised: a camera varies before any
software does. Under `standardise`, brightness and contrast are therefore largely taken back.
"""

import math

import torch
from torch.nn import functional

from arc_core.experiments.spec import Augmentation

# Side weight of the 3 px blur; the middle has 0.5.
_BLUR_SIDE = 0.25


def augment(
    images: torch.Tensor, masks: torch.Tensor | None, limits: Augmentation, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Change float images (B, 3, S, S) in [0, 1], and their masks (B, 1, S, S) along with them.

    Every image draws its own changes from `generator`, a CPU generator, so that they are the same on
    every device. Masks take the nearest pixel; what comes from outside the frame is black background.
    """
    if limits.flip or limits.rotation_deg or limits.scale or limits.translation:
        grid = _grid(images, limits, generator)
        images = functional.grid_sample(images, grid, mode="bilinear", align_corners=False)
        if masks is not None:
            masks = functional.grid_sample(masks, grid, mode="nearest", align_corners=False)
    return _shade(images, limits, generator), masks


def _uniform(count: int, limit: float, generator: torch.Generator) -> torch.Tensor:
    """(count,) between −limit and limit. Drawn at 0 too: axes must not shift each other's draws."""
    return (2 * torch.rand(count, generator=generator) - 1) * limit


def _grid(images: torch.Tensor, limits: Augmentation, generator: torch.Generator) -> torch.Tensor:
    count = len(images)
    mirrored = torch.rand(count, generator=generator) < (0.5 if limits.flip else 0.0)
    angle = _uniform(count, math.radians(limits.rotation_deg), generator)
    zoom = 1 + _uniform(count, limits.scale, generator)
    # The frame spans −1 to 1, so a share of the side is twice as many units.
    shift_x, shift_y = (2 * _uniform(count, limits.translation, generator) for _ in range(2))
    # The matrix maps output to input, hence the division by the zoom.
    sign = torch.where(mirrored, -1.0, 1.0)
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    rows = (torch.stack([sign * cosine, -sine, shift_x], 1), torch.stack([sign * sine, cosine, shift_y], 1))
    return _affine_grid(torch.stack(rows, dim=1).to(images.device), images.shape[-1])


def _affine_grid(matrix: torch.Tensor, side_px: int) -> torch.Tensor:
    """`functional.affine_grid` of matrices (B, 2, 3): (B, S, S, 2).

    A coordinate is its column's share plus its row's, so one addition makes it, where torch multiplies
    matrices; on a CPU that is three times as fast.
    """
    middle = (2 * torch.arange(side_px, device=matrix.device, dtype=matrix.dtype) + 1) / side_px - 1
    across, down, shift = (matrix[:, None, :, column] for column in range(3))  # (B, 1, 2) each
    of_columns = across * middle[:, None]
    of_rows = down * middle[:, None] + shift
    return of_rows[:, :, None] + of_columns[:, None]


def _shade(images: torch.Tensor, limits: Augmentation, generator: torch.Generator) -> torch.Tensor:
    count, changed = len(images), False

    def per_image(limit: float) -> torch.Tensor:
        return _uniform(count, limit, generator).to(images.device).view(-1, 1, 1, 1)

    contrast, brightness, gamma = (
        per_image(limit) for limit in (limits.contrast, limits.brightness, limits.gamma)
    )
    if limits.contrast or limits.brightness:
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        images, changed = (images - mean) * (1 + contrast) + mean + brightness, True
    if limits.gamma:
        images, changed = images.clamp(0, 1) ** (1 + gamma), True
    if limits.blur_kernel_px:
        images = torch.where(per_image(1.0) > 0, _blur(images), images)
    if limits.noise_sigma:
        noise = torch.randn(images.shape, generator=generator).to(images.device)
        images, changed = images + noise * limits.noise_sigma, True
    return images.clamp(0, 1) if changed else images


def _blur(images: torch.Tensor) -> torch.Tensor:
    """A 3 × 3 binomial blur; edges are repeated."""
    line = torch.tensor([_BLUR_SIDE, 1 - 2 * _BLUR_SIDE, _BLUR_SIDE], device=images.device)
    kernel = torch.outer(line, line).expand(images.shape[1], 1, 3, 3)
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernel, groups=images.shape[1])
