"""Plain U-Net with instance norm (Falk et al., Nature Methods 2019), from the blocks of MONAI's BasicUNet.

MONAI's own class has five levels and no fewer, so the blocks are put together here.
"""

import torch
from monai.networks.nets.basic_unet import Down, TwoConv, UpCat
from torch import nn

from arc_core.experiments.spec import Architecture

_ACTIVATION = ("LeakyReLU", {"negative_slope": 0.1, "inplace": True})
_NORM = ("instance", {"affine": True})


class BasicUNet(nn.Module):
    """Max-pooling down, transposed convolution up, two convolutions a level."""

    def __init__(self, channels: list[int], channels_in: int, channels_out: int, dropout: float) -> None:
        super().__init__()
        style = (_ACTIVATION, _NORM, True, dropout)
        levels = range(len(channels) - 1)
        self.entry = TwoConv(2, channels_in, channels[0], *style)
        self.down = nn.ModuleList(Down(2, channels[i], channels[i + 1], *style) for i in levels)
        self.up = nn.ModuleList(
            UpCat(2, channels[i + 1], channels[i], channels[i], *style) for i in reversed(levels)
        )
        self.exit = nn.Conv2d(channels[0], channels_out, kernel_size=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        skips = [self.entry(image)]
        for down in self.down:
            skips.append(down(skips[-1]))
        features = skips.pop()
        for up in self.up:
            features = up(features, skips.pop())
        logits: torch.Tensor = self.exit(features)
        return logits


def build(architecture: Architecture, *, channels_in: int, channels_out: int) -> nn.Module:
    """`width` channels at the first level, doubled at each of `depth` levels."""
    channels = [architecture.width * 2**level for level in range(architecture.depth)]
    return BasicUNet(channels, channels_in, channels_out, architecture.dropout)
