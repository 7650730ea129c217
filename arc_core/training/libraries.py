"""What every training imports: torch, Lightning, MONAI, and ARC's own code that stands on them."""

import gc
import sys


def load() -> None:
    """Import all of it. With the collector off that takes three quarters of the time.

    Nearly everything that an import makes is there to stay, so looking through it again and again finds
    nothing; it is put out of the collector's sight for good, which also leaves it unwritten, and thus shared,
    in the processes that a warm one forks.
    """
    gc.disable()
    import torch  # noqa: F401  # wants pynvml itself

    # MONAI asks the driver for GPUs as it is imported, which leaves a thread: no worker could be forked.
    pynvml = sys.modules.pop("pynvml", None)
    sys.modules["pynvml"] = None  # type: ignore[assignment]  # it can't be imported
    try:
        import monai.losses
        import monai.networks.nets  # noqa: F401

        import arc_core.training.fitting  # noqa: F401
    finally:
        del sys.modules["pynvml"]
        if pynvml is not None:
            sys.modules["pynvml"] = pynvml
        gc.enable()
    gc.freeze()
