"""Encoder of residual blocks, light decoder, group norm (Myronenko, BrainLes 2018), as MONAI builds it."""

from math import gcd

from monai.networks.nets.segresnet import SegResNet
from torch import nn

from arc_core.experiments.spec import Architecture

_BLOCKS_DOWN = (1, 2, 2, 4, 4, 4)


def build(architecture: Architecture, *, channels_in: int, channels_out: int) -> nn.Module:
    """`width` channels at the first level, doubled at each of `depth` levels."""
    network: nn.Module = SegResNet(
        spatial_dims=2,
        init_filters=architecture.width,
        in_channels=channels_in,
        out_channels=channels_out,
        dropout_prob=architecture.dropout or None,
        norm=("GROUP", {"num_groups": gcd(architecture.width, 8)}),
        blocks_down=_BLOCKS_DOWN[: architecture.depth],
        blocks_up=(1,) * (architecture.depth - 1),
    )
    return network
