"""`python -m flows.stop` where no loop goes on."""

import subprocess
import sys

import pytest

from tests.command import environment
from tests.conftest import ROOT


@pytest.mark.parametrize("arguments", [[], ["--now"]])
def test_without_a_home_there_is_nothing_to_stop_and_none_is_made(tmp_path, arguments):
    home = tmp_path / "home"
    command = [sys.executable, "-m", "flows.stop", *arguments]
    ran = subprocess.run(
        command, cwd=ROOT, env=environment(home), capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == f"No loop goes on in {home}; there is nothing to stop.\n"
    assert not (home / "arc.db").exists()
    assert not (home / "cycle.lock").exists()


def test_a_cycle_that_is_just_starting_is_named_and_can_not_be_asked_yet(tmp_path):
    """Before its store is there; `--now` signals it all the same."""
    home = tmp_path / "home"
    starting = subprocess.Popen([sys.executable, "-c", STARTING, str(home)], cwd=ROOT, stdout=subprocess.PIPE)
    assert starting.stdout is not None
    try:
        assert starting.stdout.readline() == b"it has the home\n"
        asked, now = (
            subprocess.run(
                [sys.executable, "-m", "flows.stop", *arguments],
                cwd=ROOT,
                env=environment(home),
                capture_output=True,
                text=True,
                check=False,
            )
            for arguments in ((), ("--now",))
        )
        assert asked.returncode == 1
        assert f"pid {starting.pid}" in asked.stderr
        assert now.returncode == 0, now.stderr
        assert starting.wait() == -15
    finally:
        starting.kill()
        starting.communicate()


STARTING = """
import sys, time
from pathlib import Path
from arc_core.experiments.home import only_cycle_in
with only_cycle_in(Path(sys.argv[1])):
    print("it has the home", flush=True)
    time.sleep(600)
"""
