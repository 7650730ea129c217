"""The loop of the command line: it waits after a failure, holds its home, and stops when it is asked to."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from arc_core.config import load_config
from tasks.ahead import convened
from tasks.context import Context
from tests.command import TINY, copied, environment, memory_in, run_cycle, start_cycle

ONE = (*TINY, "board.experiments_per_cycle=1")


@pytest.fixture
def home(tmp_path):
    """A home in which no cycle can write its report."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "report").write_text("in the way of the folder of this name")
    return home


def stop(home):
    return subprocess.run(
        [sys.executable, "-m", "flows.stop"],
        cwd=home.parent,
        env=environment(home),
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_a_waiting_loop_keeps_its_home_and_hears_a_stop(home, prefect_server):
    process = start_cycle(
        home, *ONE, "--max-cycles", "2", "loop.backoff_s=86400", PREFECT_API_URL=prefect_server
    )
    while not (home / "arc.db").exists() or not (loop := memory_in(home).loops.latest()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    while not memory_in(home).loops.turns(loop):
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    second = run_cycle(home, *ONE, PREFECT_API_URL=prefect_server)
    assert second.code == 1
    assert second.err.startswith("CycleBusy: ")
    assert f"pid {process.pid} on {os.uname().nodename}" in second.err
    assert f"after the cycle at hand, of pid {process.pid}" in stop(home)
    out, err = process.communicate()
    assert process.returncode == 0, err
    assert out.splitlines()[0].startswith("StoreError: ")
    assert "The loop waits until" in out.splitlines()[0]
    assert out.splitlines()[-1] == "Stopped after 0 cycles: a stop was asked for."
    assert memory_in(home).loops.latest().reason == "a stop was asked for"
    assert "there is nothing to stop" in stop(home)


def test_the_same_failure_again_halts_the_loop_and_a_new_start_clears_it(home, prefect_server):
    limits = ("--max-cycles", "0", "loop.backoff_s=0", "loop.same_failures=2", "loop.patience=1")
    halted = run_cycle(home, *ONE, *limits, PREFECT_API_URL=prefect_server)
    assert halted.code == 1
    assert halted.err.splitlines()[-1].startswith("CycleFailed: StoreError")
    assert "2 cycles in a row failed for the same reason" in halted.err
    memory = halted.memory
    assert [turn.outcome for turn in memory.loops.turns(memory.loops.latest())] == ["failed"] * 2
    (home / "report").unlink()
    again = run_cycle(home, *ONE, *limits, PREFECT_API_URL=prefect_server)
    assert again.code == 0, again.err
    assert [cycle.status for cycle in memory.cycles(again.study)] == ["finished"] * again.out.count(
        "ARC cycle"
    )
    assert again.out.splitlines()[-1].endswith("1 cycle in a row brought no new champion.")


@pytest.mark.timeout(300)
def test_a_verdict_that_waits_keeps_no_loop_going_that_trains_nothing(one_cycle, tmp_path, prefect_server):
    home = copied(one_cycle.home, tmp_path / "home")
    memory = memory_in(home)
    champion = memory.champion(one_cycle.study)
    (cycle,) = memory.cycles(one_cycle.study)
    memory.repeats.open(champion, cycle, len(memory.repeats.of([champion.id])[champion.id]) + 1)
    with closing(sqlite3.connect(home / "arc.db")) as db, db:  # as if it had waited for that one
        db.execute("DELETE FROM verdicts WHERE position = (SELECT max(position) FROM verdicts)")
    limits = ("--max-cycles=0", "--max-minutes=0.01")
    ran = run_cycle(home, *TINY, *limits, PREFECT_API_URL=prefect_server)
    assert ran.code == 0, ran.err
    assert "the last one could train nothing" in ran.out
    assert "gives its verdict" in ran.out
    loop = memory.loops.latest()
    assert [turn.outcome for turn in memory.loops.turns(loop)] == ["idle"]


def test_a_cycle_taken_up_again_keeps_its_plan_though_the_champion_has_changed(one_cycle, arc_home):
    """A verdict of its own came while others of it still waited for their place."""
    copied(one_cycle.home, arc_home)
    memory = memory_in(arc_home)
    (cycle,) = memory.cycles(one_cycle.study)
    with closing(sqlite3.connect(arc_home / "arc.db")) as db, db:
        db.execute("UPDATE cycles SET status = 'open'")
        last = "(SELECT id FROM experiments ORDER BY number DESC LIMIT 1)"
        db.execute(f"UPDATE experiments SET status = 'approved', started = NULL WHERE id = {last}")
        db.execute("UPDATE verdicts SET outcome = 'promote' WHERE position = 1")
    context = Context(config=load_config(TINY), study_id=one_cycle.study, cycle=cycle)
    assert memory.ahead.unbegun(cycle)
    assert convened(context).cycle == cycle
    assert memory.ahead.unbegun(cycle)
