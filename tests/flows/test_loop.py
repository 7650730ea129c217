"""The loop of the command line: it waits after a failure, holds its home, and stops when it is asked to."""

import os
import subprocess
import sys
import time

import pytest

from tests.command import TINY, environment, memory_in, run_cycle, start_cycle

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
