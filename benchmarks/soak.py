"""The loop for 300 cycles: does its process grow, and does a late cycle take longer than an early one?

`python -m flows.cycle --max-cycles 300` in a process of its own, with the offline board, Prefect's temporary
server and real workers, whose trainings sleep for a second. After each cycle the process and its children are
looked at from outside. Photographs and networks are small and stay so, or late cycles would rightly take
longer. Every tenth cycle prints a line; Ctrl-C or SIGTERM ends it early, with the table of what there is and
exit 1.

What a cycle takes moves in steps of half a second, as the waits for a training, a place and Prefect's server
end at one look or the next. The median of a few cycles is one step or another by luck; judged is the mean of
cycles 6 to 25 against that of the last 20, and the medians of ten are told beside it.
`--cycles` makes it shorter, `--home` keeps what was written.
"""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from statistics import fmean, median

import psutil

from benchmarks.asleep import python_path
from benchmarks.reporting import finish
from benchmarks.soak_look import SERVERS, Look, look_at

MOST_GROWTH, MOST_RATIO = 1.05, 1.2
TRAINING_S, FOLDS = 1.0, 2
EARLY = slice(5, 15)  # cycles 6 to 15, around the tenth
LATE = slice(-10, None)
EARLY_MEAN, LATE_MEAN = slice(5, 25), slice(-20, None)
FEWEST = 45
MEASURED: tuple[tuple[str, Callable[[Look], float], int], ...] = (
    ("memory in MiB", lambda look: look.rss_mib, 0),
    ("open files", lambda look: look.open_files, 0),
    ("threads", lambda look: look.threads, 0),
    ("database connections", lambda look: look.connections, 0),
    ("child processes", lambda look: look.children, 0),
)
"""Name, how it is read, digits that are shown."""
UNJUDGED = "child processes"  # one that has just ended may be seen or not
PARTS = 6  # of a cycle's time that are shown
ENDED = "report: "  # how the last line begins that the terminal shows of a cycle
STUDY = (
    "board.experiments_per_cycle=2",
    "data.synthetic.cases=12",
    "data.synthetic.image_size_px=64",
    f"data.folds={FOLDS}",
    "spec.image_size_px=64",
    "space.axes.image_size_px.choices=[64]",
)


def main() -> None:
    from benchmarks.study import scratch

    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--cycles", type=int, default=300, help=f"at least {FEWEST}; default 300")
    parser.add_argument("--home", type=Path, help="a new folder for what is written; default: none is kept")
    given = parser.parse_args()
    if given.cycles < FEWEST:
        parser.error(
            f"--cycles: {given.cycles} is too few to compare an early with a late one; {FEWEST} or more"
        )
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    with scratch() as folder:
        if given.home is not None:
            folder = given.home.resolve()
            folder.mkdir(parents=True)
        looks = _soak(folder, given.cycles)
        parts = _parts(folder / "prefect" / "prefect.db")
        sizes = {file.name: file.stat().st_size / 2**20 for file in folder.glob("*/*.db")}
    if len(looks) < FEWEST:
        sys.exit(f"only {len(looks)} cycles ended: too few to compare an early with a late one")
    _finish(looks, given.cycles, parts, sizes)


def _as_ctrl_c(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _soak(folder: Path, cycles: int) -> list[Look]:
    """What each cycle found, as far as they came."""
    looks: list[Look] = []
    with _loop(folder, cycles) as process:
        watched = psutil.Process(process.pid)
        began = time.perf_counter()
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith(ENDED):
                    ended = time.perf_counter()
                    looks.append(look_at(watched, ended - began))
                    began = ended
                    if len(looks) % 10 == 0:
                        print(f"cycle {len(looks)}: {_in_words(looks[-10:])}", flush=True)
        except KeyboardInterrupt:
            print(f"ended early, after {len(looks)} cycles", flush=True)
            return looks
        if process.wait() != 0:
            print((folder / "loop.log").read_text()[-4000:])
    return looks


@contextmanager
def _loop(folder: Path, cycles: int) -> Iterator[subprocess.Popen[str]]:
    """The command, its output line by line; it ends with the block."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ARC_", "PREFECT_"))}
    environment = kept | {
        "ARC_HOME": str(folder / "home"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PYTHONPATH": python_path(folder, TRAINING_S / FOLDS),
        "PYTHONUNBUFFERED": "1",
    }
    command = [sys.executable, "-m", "flows.cycle", "--max-cycles", str(cycles), *STUDY]
    with (folder / "loop.log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _parts(database: Path) -> list[dict[str, float]]:
    """Seconds of each task in each of the loop's flow runs, as Prefect's server recorded them."""
    query = (
        "select run.id, task.name, task.start_time, task.end_time from flow_run run join flow "
        "on flow.id = run.flow_id join task_run task on task.flow_run_id = run.id "
        "where flow.name = 'arc' and task.end_time is not null order by run.start_time"
    )
    found: dict[str, dict[str, float]] = {}
    with closing(sqlite3.connect(database)) as db:
        for run, name, begun, ended in db.execute(query):
            span = _seconds(ended) - _seconds(begun)
            part = name.split(" exp-")[0].rsplit("-", 1)[0]
            own = found.setdefault(run, {})
            own[part] = max(own.get(part, 0.0), span)  # trainings side by side count once
    return list(found.values())


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _in_words(looks: Sequence[Look]) -> str:
    """The medians of these cycles, and how large Prefect's server has become."""
    figures = ", ".join(f"{name} {_median(looks, of):.{digits}f}" for name, of, digits in MEASURED)
    servers = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in looks[-1].server_mib.items())
    return f"{_median(looks, lambda look: look.seconds):.2f} s; {figures}; {servers}"


def _median(looks: Sequence[Look], of: Callable[[Look], float]) -> float:
    return median(of(look) for look in looks)


def _finish(looks: list[Look], asked: int, parts: list[dict[str, float]], sizes: dict[str, float]) -> None:
    early, late = looks[EARLY], looks[LATE]
    rows = [("cycles that ended", f"{len(looks)} of {asked}")]
    shares = [asked / len(looks)] if len(looks) < asked else []  # over 1: not all of it was measured
    for name, of, digits in MEASURED:
        begun, ended = _median(early, of), _median(late, of)
        growth = ended / begun if begun else 1.0
        rows.append((f"{name}, cycles 6 to 15 → the last 10", f"{begun:.{digits}f} → {ended:.{digits}f}"))
        if name not in UNJUDGED:
            shares.append(_said(f"soak_{name.replace(' ', '_')}", growth, MOST_GROWTH))
    begun, ended = (fmean(look.seconds for look in looks[part]) for part in (EARLY_MEAN, LATE_MEAN))
    rows.append(("seconds of a cycle, mean of cycles 6 to 25 → of the last 20", _change(begun, ended)))
    shares.append(_said("soak_ratio", ended / begun, MOST_RATIO))
    begun, ended = map(_core_s, (looks[EARLY_MEAN], looks[LATE_MEAN]))
    rows.append(("seconds of a core for it, of the loop's process", _change(begun, ended)))
    begun, ended = (_median(each, lambda look: look.seconds) for each in (early, late))
    rows.append(("seconds of a cycle, median of cycles 6 to 15 → of the last 10", _change(begun, ended)))
    for name in SERVERS.values():
        begun_mib, ended_mib = (each[-1].server_mib.get(name, 0.0) for each in (early, late))
        rows.append((f"{name}, a child process", f"{begun_mib:.0f} → {ended_mib:.0f} MiB"))
    rows += [(f"{name} on disk at the end", f"{mib:.1f} MiB") for name, mib in sizes.items()]
    rows += [
        ("largest parts of an early cycle, as Prefect timed its tasks", _largest(parts[EARLY])),
        ("largest parts of a late one", _largest(parts[LATE])),
    ]
    # The worst, as a share of what it may be.
    finish("soak", rows, value=max(shares), target=1.0, better="lower")


def _core_s(looks: Sequence[Look]) -> float:
    return (looks[-1].core_s - looks[0].core_s) / (len(looks) - 1)


def _change(begun: float, ended: float) -> str:
    return f"{begun:.2f} → {ended:.2f}, {ended / begun:.2f} ×"


def _said(name: str, value: float, target: float) -> float:
    """The value as a share of its target, once it has been told."""
    line = {"name": name, "value": round(value, 3), "target": target, "better": "lower"}
    print(json.dumps(line | {"ok": value <= target}))
    return value / target


def _largest(cycles: Sequence[dict[str, float]]) -> str:
    names = {name for cycle in cycles for name in cycle}
    medians = {name: median(cycle.get(name, 0.0) for cycle in cycles) for name in names}
    largest = sorted(medians, key=lambda name: -medians[name])[:PARTS]
    return ", ".join(f"{name} {medians[name]:.2f} s" for name in largest)


if __name__ == "__main__":
    main()
