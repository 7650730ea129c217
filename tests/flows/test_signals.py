"""A stop is heard wherever it meets the program."""

import signal
import subprocess
import sys

from flows.signals import CYCLE
from tests.conftest import ROOT

PROGRAM = """
import time
from flows.signals import CYCLE, heed

class Slow:
    def __del__(self):
        print("in a destructor", flush=True)
        time.sleep(20)

heed(CYCLE)
slow = Slow()
try:
    del slow
    time.sleep(20)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


RUN = """
import sys, time
from prefect.utilities.engine import capture_sigterm
from prefect.exceptions import TerminationSignal
from flows.engine import stop_anew

class Slow:
    def __del__(self):
        print("in a destructor", flush=True)
        time.sleep(20)

sys.unraisablehook = stop_anew
slow = Slow()
try:
    with capture_sigterm():
        try:
            del slow
            time.sleep(20)
        finally:
            print("interrupted", flush=True)
except TerminationSignal:
    pass
"""


def test_a_stop_of_a_deployed_run_that_meets_a_destructor_is_not_lost():
    """Prefect then ends the process by the signal itself."""
    run = subprocess.Popen(
        [sys.executable, "-c", RUN], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    assert run.stdout.readline() == "in a destructor\n"
    run.send_signal(signal.SIGTERM)
    said, told = run.communicate(timeout=15)
    assert (said, told) == ("interrupted\n", "")
    assert run.returncode == -signal.SIGTERM


def test_a_stop_that_meets_a_destructor_is_not_lost():
    """Python would drop what is raised there, and say so on the terminal."""
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stdout is not None
    assert program.stdout.readline() == "in a destructor\n"
    program.send_signal(signal.SIGTERM)
    said, told = program.communicate(timeout=15)
    assert said == "interrupted\n"
    assert program.returncode == 0
    assert told == f"{CYCLE.says}\n", "one stop, and nothing else"
