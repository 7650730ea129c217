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
    every device; only the pixels' noise is a GPU's own. Masks take the nearest pixel; what comes from outside
    the frame is black background.
    """
    # Drawn whatever the limits: axes must not shift each other's draws.
    drawn = 2 * torch.rand(9, len(images), generator=generator) - 1
    movement, shade = drawn[:5], drawn[5:]
    if limits.flip or limits.rotation_deg or limits.scale or limits.translation:
        grid = _affine_grid(_matrices(movement, limits).to(images.device), images.shape[-1])
        images = functional.grid_sample(images, grid, mode="bilinear", align_corners=False)
        if masks is not None:
            masks = functional.grid_sample(masks, grid, mode="nearest", align_corners=False)
    return _shaded(images, shade.to(images.device), limits, generator), masks


def _matrices(movement: torch.Tensor, limits: Augmentation) -> torch.Tensor:
    """(B, 2, 3), from output to input, hence the divisions by the zoom. `movement` (5, B) is in [−1, 1]."""
    mirrored, turn, growth, right, down = movement
    angle, zoom = turn * math.radians(limits.rotation_deg), 1 + growth * limits.scale
    sign = torch.where(mirrored < 0, -1.0, 1.0) if limits.flip else torch.ones_like(mirrored)
    cosine, sine = torch.cos(angle) / zoom, torch.sin(angle) / zoom
    # The frame spans −1 to 1, so a share of the side is twice as many units.
    shift_x, shift_y = right * 2 * limits.translation, down * 2 * limits.translation
    rows = (sign * cosine, -sine, shift_x, sign * sine, cosine, shift_y)
    return torch.stack(rows, dim=1).view(-1, 2, 3)


def _affine_grid(matrix: torch.Tensor, side_px: int) -> torch.Tensor:
    """`functional.affine_grid` of matrices (B, 2, 3): (B, S, S, 2).

    A coordinate is its column's share plus its row's, so one addition makes it, where torch multiplies
    matrices. The coordinates lie in two planes, which a CPU adds, and samples by, faster than pairs.
    """
    middle = (2 * torch.arange(side_px, device=matrix.device, dtype=matrix.dtype) + 1) / side_px - 1
    across, down, shift = matrix[..., None].unbind(dim=2)  # (B, 2, 1) each
    of_columns = across * middle
    of_rows = down * middle + shift
    return (of_rows[..., None] + of_columns[:, :, None]).permute(0, 2, 3, 1)


def _shaded(
    images: torch.Tensor, shade: torch.Tensor, limits: Augmentation, generator: torch.Generator
) -> torch.Tensor:
    """`shade` (4, B) is in [−1, 1]."""
    contrast, brightness, exponent, blurred = shade[..., None, None, None]
    changed = False
    if limits.contrast or limits.brightness:
        contrast, brightness = contrast * limits.contrast, brightness * limits.brightness
        mean = images.mean(dim=(1, 2, 3), keepdim=True)
        # About the mean, in one pass over the pixels less.
        images, changed = (images * (1 + contrast)).add_(brightness - mean * contrast), True
    if limits.gamma:
        images, changed = images.clamp(0, 1) ** (1 + exponent * limits.gamma), True
    if limits.blur_kernel_px:
        images = torch.where(blurred > 0, _blur(images), images)
    if limits.noise_sigma:
        images, changed = images + _noise(images, generator) * limits.noise_sigma, True
    return images.clamp_(0, 1) if changed else images


def _noise(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Standard normal values of the images' shape, drawn where they lie: 16 images of 512 px take 0.2 s on a
    CPU, many times as long as a GPU's whole step.
    """
    if images.device.type != "cpu":
        seed = int(torch.randint(2**63 - 1, (), generator=generator))
        generator = torch.Generator(images.device).manual_seed(seed)
    return torch.randn(images.shape, generator=generator, device=images.device)


def _blur(images: torch.Tensor) -> torch.Tensor:
    """A 3 × 3 binomial blur; edges are repeated."""
    line = torch.tensor([_BLUR_SIDE, 1 - 2 * _BLUR_SIDE, _BLUR_SIDE], device=images.device)
    kernel = torch.outer(line, line).expand(images.shape[1], 1, 3, 3)
    padded = functional.pad(images, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernel, groups=images.shape[1])
