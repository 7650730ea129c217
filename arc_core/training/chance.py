"""Every random source of a training, each from its own place in it and from nothing that came before.

So a training that goes on from a checkpoint, or in several processes, draws what it would have drawn anyway.
"""

import torch

from arc_core.provenance.canonical import sha256_of


def seed_of(*place: int | str) -> int:
    """One seed per place, such as (seed, fold, purpose), so that none shifts another. Below 2³²."""
    return int(sha256_of(list(place))[:8], 16)


def generator(*place: int | str) -> torch.Generator:
    """A CPU generator for one place; the same numbers on every device."""
    return torch.Generator().manual_seed(seed_of(*place))


def reseed(device: torch.device, *place: int | str) -> None:
    """Seed what dropout draws from. `torch.manual_seed` does too, but looks for devices that are not in use
    and notes a stack trace for each: 1 ms, in every step.
    """
    torch.default_generator.manual_seed(seed_of(*place))
    if device.type == "cuda":
        torch.cuda.manual_seed(seed_of(*place))
