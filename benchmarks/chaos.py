"""Cycle after cycle, a random process killed in each at a random moment, and the command repeated.

As many cycles run undisturbed in one ARC home as in another where SIGKILL hits the cycle, a training, what
forks the trainings, Prefect's temporary server, or all of them, and the same command then goes on. All that
must hold is checked after each round; in the end both homes must have the same experiments, figures and
champion. `--ahead` plans ahead as well, in loops of three cycles: what has begun when a champion changes then
depends on the moment, so that the champions need not be the same.
"""

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import psutil

from arc_core.errors import Unverified
from arc_core.experiments.memory import Memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment
from arc_core.experiments.verification import verify
from arc_core.provenance.heads import Heads
from arc_core.settings import load_settings
from benchmarks.reporting import finish
from benchmarks.study import scratch
from tests.command import TINY, environment

KINDS = ("cycle", "training", "fork server", "Prefect server", "all")
WAIT_S = 10.0  # for a training to begin, where one is to be killed
LONGEST_S = 300.0  # for one cycle; longer is a hang
STUDY = (*TINY, "board.experiments_per_cycle=2", "spec.epochs=6", "space.axes.epochs.choices=[6,8]")


@dataclass
class Tally:
    """What was killed, and every invariant that did not hold."""

    killed: Counter[str] = field(default_factory=Counter)
    restarts: int = 0
    faults: list[str] = field(default_factory=list)


def main() -> None:
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of what is killed, and when")
    parser.add_argument("--ahead", action="store_true")
    given = parser.parse_args()
    tally = Tally()
    with scratch() as folder:
        calm, stormy = (_home(folder / name) for name in ("calm", "stormy"))
        took_s = _undisturbed(calm, given)
        dice = random.Random(given.seed)
        for number in range(1, given.rounds + 1):
            _round(stormy, number, dice, took_s, tally, given)
            print(f"round {number}: {dict(tally.killed)}, faults: {tally.faults}", flush=True)
        if not given.ahead:
            tally.faults += _differences(calm, stormy)
    rows = [
        ("rounds", str(given.rounds)),
        *((f"killed: {kind}", str(tally.killed[kind])) for kind in KINDS),
        ("commands repeated", str(tally.restarts)),
        ("same experiments, figures, champion", "not asked" if given.ahead else "compared"),
        ("the ledger", "verified after each round, with its heads, the store's rows and all files"),
        *(("fault", fault) for fault in tally.faults),
    ]
    finish("chaos", rows, value=len(tally.faults), target=0, better="lower")


def _home(folder: Path) -> Path:
    folder.mkdir()
    return folder / "home"


def _start(home: Path, given: Namespace) -> "subprocess.Popen[str]":
    cycles = 3 if given.ahead else 1
    command = [sys.executable, "-m", "flows.cycle", *STUDY, f"--max-cycles={cycles}"]
    return subprocess.Popen(
        command,
        cwd=home.parent,
        env=environment(home, ARC_CHAOS=str(home)),
        stdout=(home.parent / "out").open("w"),
        stderr=subprocess.STDOUT,
        text=True,
    )


def _undisturbed(home: Path, given: Namespace) -> float:
    """Seconds of the shortest command."""
    took = []
    for _ in range(1 if given.ahead else given.rounds):
        began = time.monotonic()
        if _start(home, given).wait() != 0:
            sys.exit((home.parent / "out").read_text())
        took.append(time.monotonic() - began)
    return min(took)


def _round(
    home: Path, number: int, dice: random.Random, took_s: float, tally: Tally, given: Namespace
) -> None:
    process = _start(home, given)
    moment, wanted = dice.uniform(0.5, took_s), dice.choice(KINDS)
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        tally.killed[_kill(process, wanted)] += 1
    while (code := _code(process)) != 0 and not _is_over(home, number, given):
        if code is None:
            tally.faults.append(f"round {number}: hung for {LONGEST_S:.0f} s after {wanted} was killed")
            process.kill()
            process.wait()
        if tally.restarts > 10 * given.rounds:
            sys.exit((home.parent / "out").read_text())
        tally.restarts += 1
        process = _start(home, given)
    tally.faults += [f"round {number}, {wanted}: {fault}" for fault in _broken(home, number, given)]


def _is_over(home: Path, number: int, given: Namespace) -> bool:
    """Whether it was killed between its cycle's end and its own: to repeat it would begin another cycle."""
    if given.ahead or not (home / "arc.db").exists():
        return False
    with closing(Memory(f"sqlite:///{home / 'arc.db'}")) as memory:
        return [c.status for study in memory.studies() for c in memory.cycles(study)] == ["finished"] * number


def _code(process: "subprocess.Popen[str]") -> int | None:
    try:
        return process.wait(LONGEST_S)
    except subprocess.TimeoutExpired:
        return None


def _kill(process: "subprocess.Popen[str]", wanted: str) -> str:
    """SIGKILL to a process of that kind, as soon as there is one; its kind."""
    parts, until = _parts(process.pid), time.monotonic() + WAIT_S
    while not parts.get(wanted) and wanted != "all" and process.poll() is None and time.monotonic() < until:
        time.sleep(0.02)
        parts = _parts(process.pid)
    kind = wanted if wanted == "all" or parts.get(wanted) else "cycle"
    for each in chain.from_iterable(parts.values()) if kind == "all" else parts[kind][:1]:
        try:
            each.send_signal(signal.SIGKILL)
        except psutil.NoSuchProcess:
            continue
    return kind


def _parts(pid: int) -> dict[str, list[psutil.Process]]:
    """Kind → the cycle's processes of that kind; a group for each training."""
    try:
        cycle = psutil.Process(pid)
        children = cycle.children()
    except psutil.NoSuchProcess:
        return {"cycle": []}
    parts: dict[str, list[psutil.Process]] = {"cycle": [cycle]}
    for child in children:
        try:
            command = " ".join(child.cmdline())
            kind = "Prefect server" if "prefect" in command else "training"
            if "forkserver" in command:
                kind = "fork server"
                parts.setdefault("training", []).extend(child.children())
            parts.setdefault(kind, []).append(child)
        except psutil.NoSuchProcess:
            continue
    return parts


def _broken(home: Path, number: int, given: Namespace) -> list[str]:
    """Every invariant that does not hold."""
    memory = Memory(f"sqlite:///{home / 'arc.db'}")
    (study,) = memory.studies()
    experiments, faults = memory.experiments(study), []
    cycles = [(cycle.number, cycle.status) for cycle in memory.cycles(study)]
    expected = len(cycles) if given.ahead else number
    if cycles != [(each, "finished") for each in range(1, expected + 1)]:
        faults.append(f"the cycles are {cycles}")
    faults += [f"{each.id} is {each.outcome.status}" for each in experiments if not each.outcome.has_ended]
    failed = [each for each in experiments if each.outcome.status == "failed"]
    faults += [f"{each.id} failed: {each.outcome.reason}" for each in failed]
    faults += [fault for each in experiments for fault in _files(memory, each, home)]
    faults += [f"{lease} lives" for lease in memory.leases.of_study(study) if lease.released is None]
    with memory.database.read() as db:
        for check in ("integrity_check", "foreign_key_check"):
            found = [tuple(row) for row in db.exec_driver_sql(f"PRAGMA {check}")]
            faults += [f"{check}: {found}"] if found not in ([], [("ok",)]) else []
    settings = load_settings(home=home)
    try:
        verify(memory.database, Heads(settings.anchors_folder), Runs.of(settings))
    except Unverified as fault:
        faults.append(str(fault))
    memory.close()
    return faults + [f"{each} was left behind" for each in _left_behind(home)]


def _files(memory: Memory, experiment: Experiment, home: Path) -> list[str]:
    result = memory.result(experiment.id)
    if (result is not None) != (experiment.outcome.status == "finished"):
        return [f"{experiment.id} is {experiment.outcome.status} and has {'a' if result else 'no'} result"]
    folder = home / "runs" / experiment.id
    files = result.files.items() if result is not None else ()
    return [
        f"{folder / name} is not what the result says" for name, sha in files if _sha(folder / name) != sha
    ]


def _sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "missing"


def _left_behind(home: Path) -> list[str]:
    """Processes of the home that still run a moment after its command has ended."""
    time.sleep(1.0)
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get("ARC_CHAOS") == str(home) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"pid {process.pid}, {' '.join(process.cmdline()[:5])}")
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def _differences(calm: Path, stormy: Path) -> list[str]:
    left, right = (_outcome(home) for home in (calm, stormy))
    return [] if left == right else [f"undisturbed {left}, disturbed {right}"]


def _outcome(home: Path) -> str:
    """The experiments with their figures and verdicts, and the champion, as one hash and in a few words."""
    memory = Memory(f"sqlite:///{home / 'arc.db'}")
    (study,) = memory.studies()
    figures = [
        (each.id, {name: estimate.value for name, estimate in each.outcome.result.metrics.items()})
        for each in memory.experiments(study)
        if each.outcome.result is not None
    ]
    verdicts = [(verdict.experiment_id, verdict.outcome) for verdict in memory.verdicts(study)]
    champion = memory.champion(study)
    memory.close()
    digest = hashlib.sha256(json.dumps([figures, verdicts]).encode()).hexdigest()[:10]
    return f"{len(figures)} results ({digest}), champion {champion.id if champion else None}"


if __name__ == "__main__":
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "ERROR")
    main()
