"""A command that was killed leaves Prefect's temporary server; the next command ends it."""

import signal
import time

import psutil

from flows.leftover import OWNER_VARIABLE
from tests.command import TINY, run_cycle, start_cycle
from tests.processes import has_ended

ONE = (*TINY, "board.experiments_per_cycle=1")


def server_of(pid):
    for child in psutil.Process(pid).children():
        if any("prefect.server" in part for part in child.cmdline()):
            return child
    return None


def test_the_next_command_ends_the_server_of_a_killed_one_and_no_other(tmp_path, prefect_server):
    killed = start_cycle(tmp_path / "home", *ONE)
    while (server := server_of(killed.pid)) is None or OWNER_VARIABLE not in server.environ():
        assert killed.poll() is None, killed.communicate()
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    killed.stdout.close()  # which the server has too, so that there is no end to read to
    killed.stderr.close()
    assert not has_ended(server.pid)
    ran = run_cycle(tmp_path / "home", *ONE, "--dry-run", PREFECT_API_URL=prefect_server)
    assert ran.code == 0, ran.err
    assert has_ended(server.pid)
