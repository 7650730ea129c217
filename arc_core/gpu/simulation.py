"""Three GPUs that don't exist, to try the monitor where there is none. Pure. Nothing trains on them."""

import math
from random import Random

from arc_core.gpu.inventory import Gpu

COUNT = 3
MEMORY_TOTAL_MIB = 46_068.0  # an A40's, as its driver reports it
IDLE_W, FULL_W = 32.0, 300.0


def simulated_gpus(step: int, *, seed: int = 0) -> tuple[Gpu, ...]:
    """Three A40 at a time step, the same for the same step and seed; name and uuid say SIMULATED.

    The A40 is cooled passively, so its fan is None; processes would be of pids that others may have.
    """
    return tuple(_gpu(index, step, seed) for index in range(COUNT))


def _gpu(index: int, step: int, seed: int) -> Gpu:
    phase = Random(f"{seed}/{index}").uniform(0, 2 * math.pi)
    noise = Random(f"{seed}/{index}/{step}")
    wave = math.sin(phase + step / 9)
    load = min(100.0, max(0.0, 88 + 6 * wave + noise.gauss(0, 2)))
    memory = MEMORY_TOTAL_MIB * (0.42 + 0.1 * math.sin(phase + step / 40))
    return Gpu(
        index=index,
        uuid=f"GPU-SIMULATED-{index}",
        name="NVIDIA A40 (SIMULATED)",
        memory_total_mib=MEMORY_TOTAL_MIB,
        memory_used_mib=round(memory),
        utilisation_percent=round(load),
        temperature_c=round(34 + 0.35 * load + 2 * wave),
        power_w=round(IDLE_W + (FULL_W - IDLE_W) * load / 100, 1),
        processes=(),
    )
