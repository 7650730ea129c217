"""Prefect's engine, as a worker of `arc-gpu` starts it for each run: `python -m flows.engine`.

It differs from `python -m prefect.engine` in one thing: the garbage collector seldom looks in on the imports.
Nearly all they make is there to stay, and looking through it again and again takes a sixth of their time.
"""

import gc
import runpy

OBJECTS = 50_000  # made between two looks; Python's own number is 700

if __name__ == "__main__":
    gc.set_threshold(OBJECTS)
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)
