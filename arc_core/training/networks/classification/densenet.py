"""DenseNet (Huang et al., CVPR 2017), as MONAI builds it."""

from monai.networks.nets.densenet import DenseNet
from torch import nn

from arc_core.experiments.spec import Architecture

CHANNELS_LAST = True
CAM_LAYER = "class_layers.relu"

# Half a DenseNet-121, DenseNet-121 and DenseNet-169.
_BLOCKS = {3: (3, 6, 12, 8), 4: (6, 12, 24, 16), 5: (6, 12, 32, 32)}


def build(architecture: Architecture, *, channels_in: int, channels_out: int) -> nn.Module:
    """`width` is the growth rate, 32 in the paper; `depth` 3 to 5 sets the layers of the four blocks.

    A depth that has no variant is a KeyError.
    """
    network: nn.Module = DenseNet(
        spatial_dims=2,
        in_channels=channels_in,
        out_channels=channels_out,
        init_features=2 * architecture.width,
        growth_rate=architecture.width,
        block_config=_BLOCKS[architecture.depth],
        dropout_prob=architecture.dropout,
    )
    return network
