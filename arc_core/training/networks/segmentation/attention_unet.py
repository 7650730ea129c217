"""U-Net with attention gates on its skip connections (Oktay et al., MIDL 2018), as MONAI builds it."""

from monai.networks.nets.attentionunet import AttentionUnet
from torch import nn

from arc_core.experiments.spec import Architecture


def build(architecture: Architecture, *, channels_in: int, channels_out: int) -> nn.Module:
    """`width` channels at the first level, doubled at each of `depth` levels."""
    network: nn.Module = AttentionUnet(
        spatial_dims=2,
        in_channels=channels_in,
        out_channels=channels_out,
        channels=[architecture.width * 2**level for level in range(architecture.depth)],
        strides=[2] * (architecture.depth - 1),
        dropout=architecture.dropout,
    )
    return network
