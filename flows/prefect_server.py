"""Prefect's server, whose garbage is collected where that can't stop it.

`python -m flows.prefect_server server start` is `prefect server start` in such a process.

An error on SQLite ("database is locked", which a busy server meets and tries again) leaves a cursor in a
reference cycle. Whoever collects it later waits for its connection, which may be waiting for another one's
transaction to end, a minute at most. In the thread of the event loop, where Python would collect, that is a
deadlock: what has to end the transaction stands still. Every request then fails, and live runs are taken for
dead. In a thread of its own the collector alone waits.
"""

import asyncio
import gc
import runpy
import threading
import time
from itertools import count

YOUNG_S = 1.0  # between two looks at what is new; milliseconds each
WHOLE = 300  # of these, one that looks at all there is


def loop_factory() -> asyncio.AbstractEventLoop:
    """For uvicorn's `--loop`, which Prefect's temporary server takes from UVICORN_LOOP."""
    collect_aside()
    return asyncio.new_event_loop()


def collect_aside() -> None:
    """From now on this process collects garbage in a thread of its own."""
    gc.disable()
    threading.Thread(target=_collect, name="garbage collector", daemon=True).start()


def _collect() -> None:
    for look in count(1):
        time.sleep(YOUNG_S)
        gc.collect(1 if look % WHOLE else 2)


if __name__ == "__main__":
    collect_aside()
    runpy.run_module("prefect", run_name="__main__", alter_sys=True)
