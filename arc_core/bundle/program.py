"""The fold models of an experiment as one file that torch loads without any code of ARC."""

import io
import warnings

import torch

from arc_core.training.ensemble import Ensemble


def exported(ensemble: Ensemble, size_px: int) -> bytes:
    """`torch.export`'s archive (.pt2) of `ensemble` for images (B, 3, size, size), whatever B."""
    # Not TorchScript, which torch deprecates. Here the graph is JSON and the weights are bare bytes; only the
    # example is pickled, so it is left out. Yet torch would follow a pickle that somebody put in: a bundle
    # checks the file's SHA-256 before it reads it.
    example = torch.zeros(2, 3, size_px, size_px)
    program = torch.export.export(
        ensemble.eval(), (example,), dynamic_shapes=({0: torch.export.Dim("batch", min=1)},)
    )
    program.example_inputs = None
    for node in program.graph.nodes:
        node.meta.pop("stack_trace", None)  # paths of this machine
    content = io.BytesIO()
    with warnings.catch_warnings():
        # Of weights in channels-last order, and only where they are not on the CPU.
        warnings.filterwarnings("ignore", "No complete tensor found in the group")
        torch.export.save(program, content)
    return content.getvalue()
