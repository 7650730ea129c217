"""Residual U-Net (Kerfoot et al., STACOM 2018), as MONAI builds it."""

from monai.networks.nets.unet import UNet
from torch import nn

from arc_core.experiments.spec import Architecture

CHANNELS_LAST = True


def build(architecture: Architecture, *, channels_in: int, channels_out: int) -> nn.Module:
    """`width` channels at the first level, doubled at each of `depth` levels."""
    network: nn.Module = UNet(
        spatial_dims=2,
        in_channels=channels_in,
        out_channels=channels_out,
        channels=[architecture.width * 2**level for level in range(architecture.depth)],
        strides=[2] * (architecture.depth - 1),
        num_res_units=2,
        # MONAI's default is PReLU; ReLU is a quarter faster on a CPU, at no cost in Dice.
        act="relu",
        norm="batch",
        dropout=architecture.dropout,
    )
    return network
