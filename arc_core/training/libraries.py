"""What every training imports: torch, Lightning, MONAI, and ARC's own code that stands on them."""

import gc
import sys

_ASK_THE_DRIVER = ("pynvml", "cuda")
"""What MONAI would look for GPUs with as it is imported. That leaves a thread, and no worker could be forked."""


def load() -> None:
    """Import all of it. With the collector off that takes three quarters of the time.

    Nearly everything that an import makes is there to stay, so looking through it again and again finds
    nothing; it is put out of the collector's sight for good, which also leaves it unwritten, and thus shared,
    in the processes that a warm one forks.
    """
    import torch  # noqa: F401  # may have both

    gc.disable()
    hidden = {name: sys.modules.get(name) for name in _ASK_THE_DRIVER}
    sys.modules |= dict.fromkeys(_ASK_THE_DRIVER)  # type: ignore[arg-type]  # None: it can't be imported
    try:
        import monai.losses
        import monai.networks.nets  # noqa: F401

        import arc_core.training.fitting  # noqa: F401
    finally:
        for name, module in hidden.items():
            del sys.modules[name]
            if module is not None:
                sys.modules[name] = module
        gc.enable()
    gc.freeze()
