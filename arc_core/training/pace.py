"""How long an experiment will take here, judged from what was measured in this store. Loads no torch."""

import os
from collections.abc import Sequence
from statistics import median

from arc_core.data.splits import Split
from arc_core.experiments.result import Figures
from arc_core.experiments.spec import ExperimentSpec
from arc_core.record import Record
from arc_core.training.cost import FOLD_S, estimate_s, machine_gflop_s, work_gflop

# Start-up of a worker before anything was measured: importing torch, lightning and monai.
UNMEASURED_STARTUP_S = 12.0
# A GPU that has not trained yet, in the units of `work_gflop`. An H100 did 765 on the small standard network,
# most of it launching kernels. The CPU's own speed would have a deadline forbid what takes minutes.
UNMEASURED_GPU_GFLOP_S = 300.0


Past = Sequence[tuple[ExperimentSpec, Figures]]
"""What has run: spec and figures of finished experiments."""


class Pace(Record):
    """Training speed and start-up of one experiment, and how many measurements they rest on."""

    gflop_s: float
    startup_s: float
    measurements: int

    def seconds(self, spec: ExperimentSpec, split: Split) -> float:
        """Expected time from start to result."""
        return estimate_s(
            work_gflop(split, spec), speed_gflop_s=self.gflop_s, startup_s=self.startup_s, folds=split.folds
        )


def measured_pace(
    past: Past,
    network: str,
    device: str,
    *,
    jobs_at_once: int,
    threads: int,
    devices: int = 1,
) -> Pace:
    """The median over past experiments with the same network on the same kind of device, times `devices`.

    With none of the same network, over all networks; with none at all, a slow GPU's, or a probe of this
    machine's arithmetic; either slowed by the processes that share it.
    """
    here = [(spec, result) for spec, result in past if result.device == device and result.train_s > 0]
    same = [pair for pair in here if pair[0].architecture.name == network]
    results = [result for _, result in same or here]
    if results:
        return Pace(
            gflop_s=devices * median(r.work_gflop / r.train_s / r.devices for r in results),
            startup_s=median(_startup_s(result) for result in results),
            measurements=len(results),
        )
    crowding = max(1.0, jobs_at_once * devices * threads / (os.cpu_count() or 1))
    alone = UNMEASURED_GPU_GFLOP_S if device == "cuda" else machine_gflop_s()
    return Pace(
        gflop_s=devices * alone / crowding,
        startup_s=UNMEASURED_STARTUP_S * crowding,
        measurements=0,
    )


def _startup_s(result: Figures) -> float:
    """What is left beside the training steps and what `estimate_s` counts for each fold."""
    return max(0.0, result.total_s - result.train_s - result.folds * FOLD_S)
