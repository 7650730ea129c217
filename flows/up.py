"""Everything that ARC needs to run on a machine, kept running until a signal: `scripts/up`.

It may be a terminal's process, a service manager's, or PID 1 of a container.
"""

import ctypes
import errno
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import psutil

from arc_core.errors import ArcError, SettingsError
from arc_core.settings import Settings, get_settings
from flows.arguments import parser_for
from flows.part import Part
from flows.server import ROOT, Server, load_server

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
RUNS_END_S, WORK_END_S, REST_END_S = 18.0, 22.0, 28.0
"""From the signal: until when runs may take, with their checkpoints; workers; the server. Most need less."""
KILLED_S = 6.0
POLL_S = 0.2
BIN = Path(sys.executable).parent
PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h


def main() -> int:
    """The exit code: 0 stopped by a signal, 1 a part could not be kept running, 2 bad input."""
    parser_for("scripts/up", "Server, workers and deployments, kept running until Ctrl-C.").parse_args()
    try:
        server = load_server()
        parts = parts_of(server, get_settings())
        if not server.is_outside and is_taken(server):
            port, host = server.arc_prefect_port, server.prefect_server_api_host
            print(f"Port {port} is taken: something already listens there, on {host}.", file=sys.stderr)
            print("Stop it, or choose another port with ARC_PREFECT_PORT.", file=sys.stderr)
            return 2
    except ArcError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return error.exit_code
    adopt()
    for number in SIGNALS:
        signal.signal(number, interrupt)
    try:
        return run(server, parts, environment(server, get_settings()))
    except KeyboardInterrupt:
        return 0
    finally:
        stop(parts)


def parts_of(server: Server, settings: Settings) -> list[Part]:
    """What has to run, in the order in which it starts."""
    parts: list[Part] = []
    command: tuple[str | Path, ...]
    if not server.is_outside:
        listen = ("--host", server.prefect_server_api_host, "--port", str(server.arc_prefect_port))
        start = (sys.executable, "-m", "flows.prefect_server", "server", "start")
        command = (*start, *listen, "--log-level", "WARNING")
        parts.append(Part(name="server", command=command))
    for name, pool in server.workers.items():
        command = (BIN / "prefect", "worker", "start", "--pool", pool, "--name", name)
        parts.append(Part(name=name, command=command, leaves=True))
    if settings.inference_command is not None:
        own = _installed(settings.inference_command)
        lease = (sys.executable, "-m", "arc_core.gpu.inference", "--memory-gib")
        command = (*lease, str(settings.inference_memory_gib), *own)
        parts.append(Part(name="model server", command=command, needed=False))
    return parts


def _installed(line: str) -> list[str]:
    """The words of a command, as a shell would split them."""
    try:
        command = shlex.split(line)
    except ValueError:  # a quote that does not end
        command = []
    if not command or shutil.which(command[0]) is None:
        raise SettingsError(
            "there is no such program",
            where="ARC_INFERENCE_COMMAND",
            got=repr(command[0] if command else line),
            cure="Install it, give its whole path, or unset the variable: the board then thinks offline.",
        )
    return command


def environment(server: Server, settings: Settings) -> dict[str, str]:
    """This process's, and what every part has to agree on, in whatever folder it begins."""
    given = {
        "ARC_HOME": str(settings.home.resolve()),
        "ARC_LOG_LEVEL": settings.log_level,
        "ARC_LOG_MIB": str(settings.log_mib),
        "ARC_LOG_FILES": str(settings.log_files),
        "PREFECT_API_URL": server.url,
        "PREFECT_API_AUTH_STRING": server.auth,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    # How often a worker asks for work, in seconds. An experiment waits half of it on average, and
    # each ask is one light request to the server.
    default = {
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_LOGGING_CONFIG_PATH": str(ROOT / "configs" / "logging.yml"),
    }
    return default | os.environ | {name: value for name, value in given.items() if value is not None}


def run(server: Server, parts: list[Part], env: dict[str, str]) -> int:
    """Start all parts and keep them running; returns when one that is needed can't be."""
    for part in parts:
        if part.name == "server":
            part.start(ROOT, env)
            while not answers(server.own_url):
                if part.process is None or part.process.poll() is not None:
                    print("The server did not start; its message is above.", file=sys.stderr)
                    return 1
                time.sleep(POLL_S)
    if not prepared(server, env):
        return 1
    for part in parts:
        if part.process is None:
            part.start(ROOT, env)
    print(f"\nPrefect UI: {server.url.removesuffix('/api')}")
    print(f"A cycle now: PREFECT_API_URL={server.url} .venv/bin/prefect deployment run arc/continuous")
    print("Ctrl-C stops everything.", flush=True)
    while True:
        for part in buried(parts):
            if part.due is None and part.needed:
                print("Stopping the rest.", file=sys.stderr)
                return 1
        for part in parts:
            if part.due is not None and time.monotonic() >= part.due:
                part.start(ROOT, env)
        time.sleep(POLL_S)


def prepared(server: Server, env: dict[str, str]) -> bool:
    """Whether the server has what the workers need, and nothing that an earlier stop left unfinished."""
    try:
        if not server.is_outside:  # else other machines may be at work on it
            subprocess.run([sys.executable, ROOT / "scripts" / "settle"], env=env, check=True)
        if "arc-control" in server.workers.values():
            subprocess.run([ROOT / "scripts" / "deploy"], env=env, check=True)
    except subprocess.CalledProcessError:
        print("The deployments could not be made; the message is above.", file=sys.stderr)
        return False
    return True


def interrupt(number: int, frame: object) -> NoReturn:
    raise KeyboardInterrupt


def is_taken(server: Server) -> bool:
    """Whether any program listens where the server would."""
    with socket.socket(socket.AF_INET6 if ":" in server.prefect_server_api_host else socket.AF_INET) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            own.bind((server.prefect_server_api_host, server.arc_prefect_port))
        except OSError as error:
            return error.errno == errno.EADDRINUSE
    return False


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health", timeout=2):  # noqa: S310  # the operator's own address
            return True
    except (urllib.error.URLError, OSError):
        return False


def adopt() -> None:
    """Become the parent of what dead parts leave behind, as PID 1 is already: else it couldn't be ended."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def buried(parts: list[Part]) -> list[Part]:
    """The parts that have died since the last look. Whatever else has ended is waited for too."""
    dead: list[Part] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return dead
        if pid == 0:
            return dead
        for part in parts:
            if part.process is not None and part.process.pid == pid:
                print(part.died(status, time.monotonic()), file=sys.stderr, flush=True)
                dead.append(part)


def stop(parts: list[Part]) -> None:
    """Workers before the server, so that no run starts while it goes; each with all it started.

    A second signal ends it all at once.
    """
    began, at_once = time.monotonic(), threading.Event()
    for number in SIGNALS:
        signal.signal(number, lambda *_: at_once.set())
    print("Stopping workers and server.", flush=True)
    alive = [part for part in parts if part.process is not None and part.process.returncode is None]
    _end_runs(alive, began + RUNS_END_S, at_once)
    server = {part.process.pid for part in parts if part.process is not None and part.name == "server"}
    _end(server, began + WORK_END_S, at_once)
    _end((), began + REST_END_S, at_once)
    for part in parts:
        part.end_group()
    while left := psutil.Process().children(recursive=True):
        for process in left:
            print(f"process {process.pid} does not stop by itself; ending it", flush=True)
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=KILLED_S)


def _end_runs(parts: list[Part], until: float, at_once: threading.Event) -> None:
    """SIGTERM to what the workers run, and dead ones have left, which writes a checkpoint; wait for its end.

    Held meanwhile, a worker begins nothing more. It would not wait itself: it kills its runs when it is told.
    """
    own = {part.process.pid: part for part in parts if part.process is not None}
    runs, held = [], []
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            if child.pid not in own:
                runs.append(child)
            elif own[child.pid].leaves:
                child.suspend()
                held.append(child)
                runs += child.children()
    for run in runs:
        with suppress(psutil.NoSuchProcess):
            run.terminate()
    while not at_once.is_set() and time.monotonic() < until and not all(map(_has_ended, runs)):
        time.sleep(POLL_S)
    for worker in held:
        with suppress(psutil.NoSuchProcess):
            worker.resume()


def _has_ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)  # its worker, being held, has not asked yet
    except psutil.NoSuchProcess:
        return True


def _end(keep: Collection[int], until: float, at_once: threading.Event) -> None:
    """SIGTERM to every child but `keep`, and to those it leaves behind; wait for their end."""
    told: set[int] = set()
    while not at_once.is_set() and time.monotonic() < until:
        buried([])
        running = [child for child in psutil.Process().children() if child.pid not in keep]
        if not running:
            return
        for child in running:
            if child.pid not in told:
                with suppress(psutil.NoSuchProcess):
                    child.terminate()
                told.add(child.pid)
        time.sleep(POLL_S)


if __name__ == "__main__":
    sys.exit(main())
