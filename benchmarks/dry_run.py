"""A whole dry run against an empty Prefect flow: process start to process end, on this machine, now.

The two take turns, so that a change of the machine's load meets both.
"""

import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from benchmarks.reporting import finish

ROUNDS = 5
TARGET = 1.3
EMPTY_FLOW = "from prefect import flow\n@flow\ndef empty():\n    return 1\nempty()\n"


def seconds(command: list[str], environment: dict[str, str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {
            "ARC_HOME": f"{folder}/arc",
            "PREFECT_HOME": f"{folder}/prefect",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_LOGGING_LEVEL": "CRITICAL",
            # The server's start varies with the machine's load; neither run may fail for that.
            "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
        }
        environment.pop("PREFECT_API_URL", None)
        empty = [sys.executable, "-c", EMPTY_FLOW]
        dry_run = [sys.executable, "-m", "flows.cycle", "--dry-run"]
        first_s = seconds(empty, environment)  # makes Prefect's database
        seconds(dry_run, environment)  # draws the simulated images
        rounds = [(seconds(empty, environment), seconds(dry_run, environment)) for _ in range(ROUNDS)]
    empty_s, dry_run_s = (median(column) for column in zip(*rounds, strict=True))
    finish(
        "dry_run",
        [
            ("empty Prefect flow, first ever", f"{first_s:.1f} s"),
            (f"empty Prefect flow, median of {ROUNDS}", f"{empty_s:.1f} s"),
            (f"python -m flows.cycle --dry-run, median of {ROUNDS}", f"{dry_run_s:.1f} s"),
            ("ratio", f"{dry_run_s / empty_s:.2f}"),
        ],
        value=dry_run_s / empty_s,
        target=TARGET,
        better="lower",
    )


if __name__ == "__main__":
    main()
