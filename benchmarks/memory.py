"""Peak host memory of one experiment on Drishti-GS1, `experiment=standard`, cold and warm.

The resident memory of the worker and of all it started, sampled while it trains, beside what the system
recorded as the worker's peak. A warm worker is measured with its server; pages they share count twice. Where
the photographs are not, simulated ones of the same size and number are used.
"""

import contextlib
import os
import threading
from pathlib import Path

import psutil

from arc_core.config import ArcConfig
from arc_core.data.manifest import Dataset
from arc_core.training.child import Start, start_cold
from benchmarks.reporting import finish

DRISHTI = Path(__file__).parent.parent.parent / "shared" / "data" / "drishti-gs1-train"
MOST_MIB = 1536.0
SAMPLE_S = 0.05


def main() -> None:
    from arc_core.training.warm import WarmStart
    from benchmarks.study import configured, opened, scratch

    there = DRISHTI.is_dir()
    with scratch() as folder:
        config = configured(data=DRISHTI if there else None)
        dataset = opened(config, folder)
        cold = _experiment(folder / "exp-cold", config, dataset, start_cold)
        warm = WarmStart(folder / "home", os.getpid())
        warmed = _experiment(folder / "exp-warm", config, dataset, warm)
    finish(
        "memory",
        [
            ("photographs", str(DRISHTI) if there else f"simulated, since none are at {DRISHTI}"),
            ("peak of the worker and what it started, sampled", f"{cold[0]:.0f} MiB"),
            ("peak of the worker as it recorded it itself", f"{cold[1]:.0f} MiB"),
            ("warm: peak of the worker and its server together", f"{warmed[0]:.0f} MiB"),
            ("warm: peak of the worker as it recorded it itself", f"{warmed[1]:.0f} MiB"),
        ],
        value=max(*cold, *warmed),
        target=MOST_MIB,
        better="lower",
    )


def _experiment(run_dir: Path, config: ArcConfig, dataset: Dataset, start: Start) -> tuple[float, float]:
    """Train it; the sampled peak of all that this process has started, and the worker's own, in MiB."""
    from arc_core.training.fold import read_fold
    from arc_core.training.process import run_worker
    from benchmarks.study import plan_in

    plan = plan_in(run_dir, config, dataset)
    peak, over = [0.0], threading.Event()

    def sample() -> None:
        while not over.wait(SAMPLE_S):
            peak[0] = max(peak[0], _started_mib())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        run_worker(plan, on_event=lambda event: None, start=start)
    finally:
        over.set()
        sampler.join()
    return peak[0], max(read_fold(plan, fold).peak_memory_mib for fold in range(plan.split.folds))


def _started_mib() -> float:
    total = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_info().rss
    return total / 2**20


if __name__ == "__main__":
    main()
