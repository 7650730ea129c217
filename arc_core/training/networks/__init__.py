"""The networks a spec may name. `networks/<task>/<name>.py` offers `build(architecture, …)`.

A network takes images (B, 3, S, S) with S a multiple of 16 and returns logits: (B, 3, S, S) of
background, rim and cup, or (B, 1) of glaucoma. `CHANNELS_LAST = True` in its file stores the weights so
where that is faster on a CPU. A classification's file names its last convolutional stage, `CAM_LAYER`, the
module that Grad-CAM looks at. To add a network, write its file and its config
(`configs/model/<task>/<name>.yaml`), then run `make costs`.
"""

from typing import TYPE_CHECKING

from arc_core.experiments.metric import Task
from arc_core.experiments.spec import Architecture
from arc_core.training import catalogue

if TYPE_CHECKING:
    from torch import nn

IMAGE_CHANNELS = 3
OUTPUTS: dict[Task, int] = {"segmentation": 3, "classification": 1}


def build_network(
    task: Task, architecture: Architecture, *, channels_last: bool | None = None
) -> "nn.Module":
    """A freshly initialised network; SpecError where the name is unknown.

    `channels_last`: how weights lie in memory; None: as the network's file says.
    """
    module = catalogue.load("networks", task, architecture.name)
    network: nn.Module = module.build(architecture, channels_in=IMAGE_CHANNELS, channels_out=OUTPUTS[task])
    if getattr(module, "CHANNELS_LAST", False) if channels_last is None else channels_last:
        import torch

        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # stub lacks it
    return network
