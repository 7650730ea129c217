"""Prefect's engine, as ARC's workers start it for each run: `python -m flows.engine`.

It differs from `python -m prefect.engine` in two things. The garbage collector seldom looks in on the
imports: nearly all they make is there to stay, and looking through it again and again takes a sixth of their
time. And a stop is heard wherever it meets the program.
"""

import gc
import os
import runpy
import signal
import sys
import threading

OBJECTS = 50_000  # made between two looks; Python's own number is 700
AGAIN_S = 0.05  # at once it would be lost anew


def stop_anew(lost: "sys.UnraisableHookArgs") -> None:
    """Prefect makes SIGTERM an exception, and Python drops what is raised in a destructor: tell it again."""
    if lost.exc_type.__name__ != "TerminationSignal":
        sys.__unraisablehook__(lost)
        return
    again = threading.Timer(AGAIN_S, os.kill, (os.getpid(), signal.SIGTERM))
    again.daemon = True
    again.start()


if __name__ == "__main__":
    gc.set_threshold(OBJECTS)
    sys.unraisablehook = stop_anew
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)
