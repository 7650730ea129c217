"""EfficientNet (Tan and Le, ICML 2019), as MONAI builds it, with the paper's two scaling factors as axes."""

from monai.networks.nets.efficientnet import EfficientNet
from torch import nn

from arc_core.experiments.spec import Architecture

CHANNELS_LAST = True
CAM_LAYER = "_bn1"

# EfficientNet-B0: repeats, kernel, stride, expansion, channels in and out, squeeze-and-excitation.
_BLOCKS = [
    "r1_k3_s11_e1_i32_o16_se0.25",
    "r2_k3_s22_e6_i16_o24_se0.25",
    "r2_k5_s22_e6_i24_o40_se0.25",
    "r3_k3_s22_e6_i40_o80_se0.25",
    "r3_k5_s11_e6_i80_o112_se0.25",
    "r4_k5_s22_e6_i112_o192_se0.25",
    "r1_k3_s11_e6_i192_o320_se0.25",
]
_B0_STEM_CHANNELS = 32
_REPEATS = {3: 0.5, 4: 1.0, 5: 1.4}


def build(architecture: Architecture, *, channels_in: int, channels_out: int) -> nn.Module:
    """`width` is the channels of the stem, 32 in B0; `depth` 3 to 5 multiplies B0's repeats.

    A depth that has no variant is a KeyError.
    """
    network: nn.Module = EfficientNet(
        blocks_args_str=_BLOCKS,
        spatial_dims=2,
        in_channels=channels_in,
        num_classes=channels_out,
        width_coefficient=architecture.width / _B0_STEM_CHANNELS,
        depth_coefficient=_REPEATS[architecture.depth],
        dropout_rate=architecture.dropout,
        # Only the padding follows from it, the same for every multiple of 32.
        image_size=224,
        # The paper's momentum of 0.01 needs more steps than small studies have.
        norm=("batch", {"eps": 1e-3, "momentum": 0.1}),
        depth_divisor=4,
    )
    return network
