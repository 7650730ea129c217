"""The offline board's thinking, recall to decision, with 10, 1,000 and 10,000 experiments in the store.

Each round is a process of its own on a copy of its store. The process's start and opening the cycle are
not counted. The first use of Optuna and SciPy, which import for a few tenths of a second at every size, is
part of the thinking, as in a cycle; the ratio is printed without it too, where it hides nothing.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.reporting import finish

SIZES = (10, 1_000, 10_000)
ROUNDS = 5
MOST_S, MOST_MIB, MOST_RATIO = 3.0, 500.0, 5.0
Measured = dict[str, float]


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="arc-bench-") as folder:
        for size in SIZES:
            _child("fill", _store(folder, size), str(size))
        # Turn by turn, so that a change of the machine's load meets every size.
        rounds = [{size: _think(folder, size) for size in SIZES} for _ in range(ROUNDS)]
    found = {size: _median([each[size] for each in rounds]) for size in SIZES}
    few, many = found[SIZES[0]], found[SIZES[-1]]
    ratio, bare = many["board"] / few["board"], many["bare"] / few["bare"]
    rows = [(f"{size:,} experiments, median of {ROUNDS}", _words(each)) for size, each in found.items()]
    _say("board_seconds", many["board"], MOST_S)
    _say("board_peak_mib", many["peak_mib"], MOST_MIB)
    _say("board_ratio", ratio, MOST_RATIO)
    finish(
        "board",
        [*rows, (f"{SIZES[-1]:,} over {SIZES[0]}", f"{ratio:.2f}; without the imports {bare:.2f}")],
        # The worst of the three, as a share of its target.
        value=max(many["board"] / MOST_S, many["peak_mib"] / MOST_MIB, ratio / MOST_RATIO),
        target=1.0,
        better="lower",
    )


def _words(each: Measured) -> str:
    rest = ", ".join(f"{name} {each[name]:.2f} s" for name in ("open", "agenda", "judge", "report"))
    board = f"board {each['board']:.2f} s, of which imports {each['imports']:.2f} s"
    return f"{board}; peak {each['peak_mib']:.0f} MiB; {rest}"


def _median(rounds: list[Measured]) -> Measured:
    return {name: median(each[name] for each in rounds) for name in rounds[0]}


def _store(folder: str, size: int) -> Path:
    return Path(folder) / f"{size}.db"


def _think(folder: str, size: int) -> Measured:
    copy = Path(folder) / "copy.db"
    for file in Path(folder).glob("copy.db*"):
        file.unlink()
    shutil.copy(_store(folder, size), copy)
    return json.loads(_child("think", copy).splitlines()[-1])


def _child(part: str, store: Path, *arguments: str) -> str:
    """A part of this file in a process of its own, with an ARC home of its own beside the store."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARC_")}
    environment = kept | {
        "ARC_HOME": str(store.parent / "arc"),
        "ARC_DATABASE_URL": f"sqlite:///{store}",
        "OMP_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "benchmarks.board", part, *arguments]
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True).stdout


def _say(name: str, value: float, target: float) -> None:
    line = {"name": name, "value": round(value, 3), "target": target, "better": "lower"}
    print(json.dumps(line | {"ok": value <= target}))


def fill_store(size: int) -> None:
    """In a child process: the store that ARC_DATABASE_URL names, with `size` experiments."""
    from arc_core.config import load_config
    from arc_core.data.study import open_study
    from arc_core.experiments.memory import open_memory
    from arc_core.settings import get_settings
    from benchmarks.board_store import fill

    config, settings = load_config(), get_settings()
    memory = open_memory(settings.store_url)
    study = open_study(memory, config.data, config.task, config.metric, settings.home.resolve())
    fill(memory, config, study, size)
    memory.close()


def think() -> Measured:
    """In a child process: one meeting of the board, then what else a cycle reads of the store."""
    from arc_core.agents.historian import trends  # noqa: F401
    from arc_core.config import load_config
    from arc_core.report.cycle import write_report
    from arc_core.settings import get_settings
    from tasks import board
    from tasks.cycle import open_cycle
    from tasks.judge import verdicts
    from tasks.recall import digest

    config, home = load_config(), get_settings().home.resolve()
    times: Measured = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        began = time.perf_counter()
        answer = step()
        times[name] = time.perf_counter() - began
        return answer

    timed("imports", _import_what_the_board_uses)
    context = timed("open", lambda: open_cycle.fn(config))

    def meet() -> Any:
        history = digest.fn(context)
        directive = board.direct.fn(context, history, 0)
        proposals = board.propose.fn(context, history, directive)
        reviews = board.review.fn(context, history, directive, proposals)
        assert board.decide.fn(context, history, directive, proposals, reviews, None)
        return history

    history = timed("bare", meet)
    times["board"] = times["imports"] + times["bare"]
    times["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ids = timed("agenda", lambda: (board.agenda(context), board.pending(context)))[0]
    timed("judge", lambda: verdicts.fn(context, ()))
    timed(
        "report",
        lambda: write_report(context.memory, context.study, context.cycle, ids, history.lessons, home),
    )
    times["whole_peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return times


def _import_what_the_board_uses() -> None:
    import optuna  # noqa: F401
    import scipy.special  # noqa: F401


if __name__ == "__main__":
    if sys.argv[1:2] == ["fill"]:
        fill_store(int(sys.argv[2]))
    elif sys.argv[1:2] == ["think"]:
        print(json.dumps(think()))
    else:
        main()
