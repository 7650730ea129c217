"""5 cycles of 6 experiments of 30 s over 3 slots: the share of the slots' time that trains.

It counts from the first training's start to the last one's end, and beside it from the command's start. The
board asks a model server on loopback that takes 10 s an answer, then it is the offline board; each with the
next cycle planned ahead and, beside it, without. A training is the real worker, asleep for the time it would
train: what else a slot's time goes to (start, decoding, measuring, a gap before the next) counts against the
share. `--cycles`, `--seconds`, `--answer` and `--only` make it shorter.
"""

import json
import math
import os
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

from arc_core.experiments.memory import Memory
from benchmarks.asleep import python_path
from benchmarks.reporting import finish
from benchmarks.study import scratch
from tests.llm_server import ModelServer

SLOTS, FOLDS, EXPERIMENTS = 3, 2, 6
LEAST = {"models": 0.90, "offline": 0.95}
STUDY = (
    f"board.experiments_per_cycle={EXPERIMENTS}",
    "data.synthetic.cases=12",
    "data.synthetic.image_size_px=64",
    "spec.image_size_px=64",
    f"data.folds={FOLDS}",
    "space.axes.image_size_px.choices=[32,64,96]",
)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30.0, help="of one training")
    parser.add_argument("--answer", type=float, default=10.0, help="seconds that the model server takes")
    parser.add_argument("--only", choices=LEAST, help="one of the boards alone")
    given = parser.parse_args()
    rows, worst = [], 1.0
    for board in [given.only] if given.only else LEAST:
        for ahead in (True, False):
            share, from_start, ran, note = _measured(board, ahead, given)
            how = "planned ahead" if ahead else "one after the other"
            rows.append(
                (f"{board}, {how}", f"{share:.3f}; from the command's start {from_start:.3f}; {ran}{note}")
            )
            if ahead:
                worst = min(worst, share / LEAST[board])
                line = {"name": f"occupancy_{board}", "value": round(share, 3), "target": LEAST[board]}
                print(json.dumps(line | {"better": "higher", "ok": share >= LEAST[board]}), flush=True)
    # The worse of the two, as a share of what it has to be.
    finish("occupancy", rows, value=worst, target=1.0, better="higher")


def _measured(board: str, ahead: bool, given: Namespace) -> tuple[float, float, str, str]:
    """The share of the slots' time that trained, the same from the command's start, and what ran."""
    with scratch() as folder:
        server = ModelServer(delay_s=given.answer)
        models = server.overrides(timeout_s=10 * given.answer + 10) if board == "models" else []
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")},
            **(server.environment() if models else {}),
            "PREFECT_HOME": str(folder / "prefect"),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "ARC_MAX_CONCURRENT_JOBS": str(SLOTS),
            "PYTHONPATH": python_path(folder, given.seconds / FOLDS),
        }
        option = f"loop.ahead={str(ahead).lower()}"
        command = [sys.executable, "-m", "flows.cycle", "--max-cycles", str(given.cycles), *STUDY, *models]
        began = time.time()
        ran = subprocess.run([*command, option], env=environment, cwd=folder, capture_output=True, text=True)
        server.close()
        if ran.returncode != 0:
            sys.exit(ran.stdout + ran.stderr)
        return _share(folder / "home", began, given.seconds)


def _share(home: Path, began: float, seconds: float) -> tuple[float, float, str, str]:
    memory = Memory(f"sqlite:///{home / 'arc.db'}")
    (study,) = memory.studies()
    ideas = memory.experiments(study)
    repeats = [each for some in memory.repeats.of([idea.id for idea in ideas]).values() for each in some]
    status = [each.outcome.status for each in (*ideas, *repeats)]
    held = [lease for lease in memory.leases.of_study(study) if lease.granted and lease.released]
    first = min(lease.granted for lease in held if lease.granted).timestamp()
    last = max(lease.released for lease in held if lease.released).timestamp()
    trained = seconds * (status.count("finished") + status.count("pruned") / FOLDS)  # after the first fold
    ran = (
        f"{status.count('finished')} trainings, {len(repeats)} of them repeats, "
        f"in {len(memory.cycles(study))} cycles"
    )
    withdrawn = status.count("withdrawn")
    rounds = math.ceil(trained / seconds / SLOTS)  # no schedule is shorter, as they are all of one length
    promoted = sum(verdict.outcome == "promote" for verdict in memory.verdicts(study))
    memory.close()
    pruned = status.count("pruned")
    note = (
        f", {pruned} stopped early, {promoted} promoted, {withdrawn} withdrawn for that; the best schedule "
        f"of so many has {trained / SLOTS / (rounds * seconds):.3f}"
    )
    return trained / SLOTS / (last - first), trained / SLOTS / (last - began), ran, note


if __name__ == "__main__":
    main()
