"""A ledger of 100,000 events, in the store of SQLite: how long until it is verified, and to write an event.

The rival is SHA-256 of the same events, read by sqlite3 itself and nothing else done with them.
"""

import hashlib
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from arc_core.experiments.events import event
from arc_core.experiments.memory import Memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.verification import seal, verify
from arc_core.provenance.heads import Heads
from arc_core.settings import load_settings
from benchmarks.reporting import finish
from benchmarks.study import scratch

EVENTS, AT_ONCE, ROUNDS = 100_000, 1000, 3
LONGEST_S = 10.0


def main() -> None:
    with scratch() as folder:
        settings = load_settings(home=folder / "home")
        settings.home.mkdir()
        path = settings.home / "arc.db"
        with closing(Memory(f"sqlite:///{path}")) as memory:
            write_s = _fill(memory)
            seal(memory.ledger, settings)
            took, rival = [], []
            for _ in range(ROUNDS):
                rival.append(_hashed_s(path))
                began = time.perf_counter()
                verify(memory.database, Heads(settings.anchors_folder), Runs.of(settings))
                took.append(time.perf_counter() - began)
            size_mb = path.stat().st_size / 1e6
    rows = [
        ("events", f"{EVENTS:,}, {size_mb:.0f} MB"),
        ("verified in", f"{min(took):.2f} s"),
        ("hashed by sqlite3 and hashlib alone in", f"{min(rival):.2f} s, {min(took) / min(rival):.1f} ×"),
        ("written, 1000 at once", f"{1e6 * write_s / EVENTS:.0f} µs each"),
    ]
    finish("ledger", rows, value=min(took), target=LONGEST_S, better="lower")


def _fill(memory: Memory) -> float:
    """Events as long as real ones, about 1.3 kB; the seconds it took."""
    said = {"changes": {"optimiser.lr": 0.003}, "why": "x" * 700, "predicted": [0.8, 0.7, 0.9]}
    began = time.perf_counter()
    for start in range(0, EVENTS, AT_ONCE):
        ids = range(start, start + AT_ONCE)
        memory.ledger.append(*(event("deviation.recorded", f"exp-{each}", facts=said) for each in ids))
    return time.perf_counter() - began


def _hashed_s(path: Path) -> float:
    began = time.perf_counter()
    with closing(sqlite3.connect(path)) as db:
        for (body,) in db.execute("SELECT body FROM ledger ORDER BY number"):
            hashlib.sha256(body.encode()).hexdigest()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
