"""What the loop's process gives back after a cycle."""

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest

from tests.command import Finished
from tests.conftest import ROOT

# A heap of 200 MiB whose last block is in use, so that glibc by itself gives none of it back; half of it is
# garbage in rings, which only the collector finds.
FREED = """
import gc, psutil
from flows.footprint import give_back, keep_small
keep_small()
gc.disable()
rss = lambda: psutil.Process().memory_info().rss / 2**20
before = rss()
kept = [bytearray(4000) for _ in range(25_000)]
for _ in range(25_000):
    ring = [bytearray(4000)]
    ring.append(ring)
last = bytearray(4000)
del kept, ring
held = rss() - before
give_back(first={first})
print(held, rss() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's way of keeping memory")
@pytest.mark.parametrize("first", [True, False])
def test_what_a_cycle_has_left_goes_back_to_the_system(first: bool) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", FREED.replace("{first}", str(first))],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    held, left = map(float, ran.stdout.split())
    assert held > 90
    assert left < 20


def test_the_temporary_server_keeps_runs_and_no_events(one_cycle: Finished) -> None:
    with closing(sqlite3.connect(one_cycle.home.parent / "prefect" / "prefect.db")) as db:
        ((runs,),) = db.execute("select count(*) from task_run")
        ((events,),) = db.execute("select count(*) from events")
    assert runs > 10
    assert events == 0
