"""Garbage of a busy SQLite connection: who collects it waits for the connection."""

import gc
import os
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.conftest import ROOT

# One connection holds the lock, a second waits for it in a thread, and a cursor of the second is garbage.
# The first lets go once this thread has made enough to set off a collection here.
BUSY = """
import sqlite3, sys, threading, time
from flows.prefect_server import collect_aside

def connect():
    return sqlite3.connect(sys.argv[1], timeout=5, isolation_level=None, check_same_thread=False)

holder, waiter = connect(), connect()
holder.execute("CREATE TABLE t (x)")
if sys.argv[2] == "aside":
    collect_aside()
holder.execute("BEGIN IMMEDIATE")

def write():
    try:
        waiter.execute("INSERT INTO t VALUES (1)")
    except sqlite3.OperationalError as error:
        print(error)
    else:
        print("written")

cycle = [waiter.execute("SELECT 1 UNION SELECT 2")]
cycle.append(cycle)
thread = threading.Thread(target=write)
thread.start()
time.sleep(0.5)
del cycle
kept = [[] for _ in range(100_000)]
time.sleep(1.5)
holder.execute("COMMIT")
thread.join()
"""


@pytest.mark.parametrize(("where", "said"), [("here", "database is locked"), ("aside", "written")])
def test_who_waits_for_a_lock_gets_it_though_its_garbage_is_collected(tmp_path: Path, where: str, said: str):
    command = [sys.executable, "-c", BUSY, tmp_path / "some.db", where]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (ran.stdout.strip(), ran.stderr) == (said, "")


def app():
    """An ASGI application that answers whether Python collects by itself where it runs."""

    async def answer(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": str(gc.isenabled()).encode()})

    return answer


def test_uvicorn_takes_it_from_the_variable_that_the_temporary_server_inherits():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    given = os.environ | {"UVICORN_LOOP": "flows.prefect_server:loop_factory"}
    command = [sys.executable, "-m", "uvicorn", "--factory", f"{__name__}:app", "--port", str(port)]
    with subprocess.Popen([*command, "--lifespan", "off"], cwd=ROOT, env=given) as server:
        try:
            while not (said := answered(port)):
                assert server.poll() is None
                time.sleep(0.1)
        finally:
            server.terminate()
    assert said == "False"


def answered(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.read().decode()
    except OSError:
        return ""
