"""Process start to first batch of a real worker, against importing torch and Lightning alone.

The worker reads its plan, decodes and checks all 50 photographs, builds network, loss and trainer, and ends
as its first training step is called. The two take turns, so that a change of the machine's load meets both.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from types import ModuleType

from benchmarks.noticing import when_imported
from benchmarks.reporting import finish

ROUNDS = 7
TARGET = 1.3
LIBRARIES = "import torch, lightning"
END = "import os; os._exit(0)"  # neither side is charged for tearing torch down
MODULE = "arc_core.training.module"


def seconds(command: Sequence[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    from benchmarks.study import configured, opened, plan_in, scratch

    with scratch() as folder:
        config = configured()
        plan = plan_in(folder / "exp-startup", config, opened(config, folder))
        environment = os.environ | plan.environment()
        libraries = [sys.executable, "-c", f"{LIBRARIES}; {END}"]
        worker = [sys.executable, "-m", "benchmarks.startup", str(plan.path)]
        for command in (libraries, worker):  # the disk's cache and the compiled files
            seconds(command, environment)
        rounds = [(seconds(libraries, environment), seconds(worker, environment)) for _ in range(ROUNDS)]
    libraries_s, worker_s = (median(column) for column in zip(*rounds, strict=True))
    ratio = median(mine / theirs for theirs, mine in rounds)
    finish(
        "startup",
        [
            (f"python -c '{LIBRARIES}', median of {ROUNDS}", f"{libraries_s:.2f} s"),
            (f"worker to its first batch, median of {ROUNDS}", f"{worker_s:.2f} s"),
            ("ratio, median of the rounds'", f"{ratio:.2f}"),
        ],
        value=ratio,
        target=TARGET,
        better="lower",
    )


def until_first_batch(plan_path: Path) -> None:
    """In a child process: the worker, ended where its first batch reaches the network."""
    when_imported(MODULE, _end_at_first_batch)
    from arc_core.training.worker import main as work

    sys.exit(work([str(plan_path)]) or "it finished without a batch")


def _end_at_first_batch(module: ModuleType) -> None:
    module.FoldModule.training_step = lambda *_: os._exit(0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        until_first_batch(Path(sys.argv[1]))
    else:
        main()
