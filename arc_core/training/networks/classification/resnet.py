"""ResNet of basic blocks (He et al., CVPR 2016), as MONAI builds it."""

from monai.networks.nets.resnet import ResNet
from torch import nn

from arc_core.experiments.spec import Architecture

CHANNELS_LAST = True
CAM_LAYER = "layer4"

# ResNet-10, -18 and -34.
_BLOCKS = {3: [1, 1, 1, 1], 4: [2, 2, 2, 2], 5: [3, 4, 6, 3]}


def build(architecture: Architecture, *, channels_in: int, channels_out: int) -> nn.Module:
    """`width` channels in the first stage, doubled in each of four; `depth` 3 to 5 sets the blocks a stage.

    Dropout acts before the last layer. A depth that has no variant is a KeyError.
    """
    network = ResNet(
        block="basic",
        layers=_BLOCKS[architecture.depth],
        block_inplanes=[architecture.width * 2**stage for stage in range(4)],
        spatial_dims=2,
        n_input_channels=channels_in,
        conv1_t_stride=2,
        num_classes=channels_out,
        bias_downsample=False,
    )
    classifier: nn.Module = network.fc
    network.fc = nn.Sequential(nn.Dropout(architecture.dropout), classifier)
    built: nn.Module = network
    return built
