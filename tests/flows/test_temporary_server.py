"""A cycle whose temporary server is killed: there is another, and the cycle ends as usual."""

import os
import signal
import time

import psutil
import pytest

from flows.temporary_server import LOGGING_PATHS, log_to_arc
from tests.command import TINY, memory_in, start_cycle
from tests.flows.test_leftover import server_of
from tests.processes import has_ended

LONG = (*TINY, "board.experiments_per_cycle=1", "spec.epochs=40", "space.axes.epochs.choices=[40]")


@pytest.fixture
def cycle(tmp_path):
    process = start_cycle(tmp_path / "home", *LONG)
    yield process
    process.kill()
    process.communicate()


def test_a_killed_server_is_there_again_and_the_cycle_ends(cycle, tmp_path):
    database = tmp_path / "home" / "arc.db"
    while not (database.exists() and memory_in(database.parent).leases.held()):
        assert cycle.poll() is None, cycle.communicate()
        time.sleep(0.1)
    killed = server_of(cycle.pid)
    assert killed.environ()["PREFECT_LOGGING_CONFIG_PATH"].endswith("configs/temporary_server.yml")
    assert killed.environ()["UVICORN_LOOP"] == "flows.prefect_server:loop_factory"
    killed.send_signal(signal.SIGKILL)
    out, err = cycle.communicate()
    assert cycle.returncode == 0, err
    assert "baseline" in out
    memory = memory_in(database.parent)
    (study,) = memory.studies()
    assert [each.status for each in memory.cycles(study)] == ["finished"]
    assert [each.outcome.status for each in memory.experiments(study)] == ["finished"]


@pytest.mark.parametrize("name", ["PREFECT_LOGGING_LEVEL", *LOGGING_PATHS])
def test_who_asks_for_prefect_s_log_gets_it_where_it_was_asked_for(name, monkeypatch):
    for each in ("PREFECT_LOGGING_LEVEL", *LOGGING_PATHS):
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, "INFO")
    before = dict(os.environ)
    log_to_arc()
    assert dict(os.environ) == before


def test_a_server_that_is_killed_while_it_starts_is_started_again(tmp_path):
    cycle = start_cycle(tmp_path / "home", *TINY, "board.experiments_per_cycle=1")
    while (server := server_of(cycle.pid)) is None:
        assert cycle.poll() is None, cycle.communicate()
        time.sleep(0.02)
    server.send_signal(signal.SIGKILL)
    _, err = cycle.communicate()
    assert cycle.returncode == 0, err


def test_a_server_that_has_ended_with_its_cycle_is_not_started_again(cycle):
    before = server_of_nobody()
    while server_of(cycle.pid) is None:
        assert cycle.poll() is None, cycle.communicate()
        time.sleep(0.1)
    server = server_of(cycle.pid)
    cycle.communicate()
    time.sleep(2.0)
    assert has_ended(server.pid)
    assert server_of_nobody() == before


def server_of_nobody():
    """Pids of temporary servers whose command is gone."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "ppid"])
        if any("prefect.server" in part for part in process.info["cmdline"] or ())
        and process.info["ppid"] == 1
    ]
