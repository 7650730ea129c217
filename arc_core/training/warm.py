"""Workers forked from a process that has imported everything already.

Where that can't be had, for whatever reason, a worker is started cold: no training fails for it. A server
belongs to one version of the code; with another version it isn't even found.
"""

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from arc_core.settings import Settings
from arc_core.training.child import Child, start_cold
from arc_core.training.warm_socket import (
    ANSWER_S,
    SERVER_VARIABLES,
    WORKER,
    Address,
    Request,
    received,
    version_of_code,
)

READY_S = 20.0  # importing takes 3 s, and several times that where much else is going on
_POLL_S = 0.05

log = logging.getLogger(__name__)
_launching = threading.Lock()
_servers: dict[Path, "subprocess.Popen[bytes]"] = {}
"""Those that this process has launched, by their sockets."""


def warm_start(settings: Settings, owner: int) -> "WarmStart | None":
    """How to start warm workers; None where the machine can't or the settings say no.

    A fork of a process that has loaded Apple's frameworks is not safe, and Linux alone tells of a process's
    end by a file descriptor.
    """
    if not settings.warm_workers or sys.platform != "linux":
        return None
    return WarmStart(settings.home, owner)


class WarmStart:
    """A `Start` that forks its workers from the server of `home`, and launches one where there is none.

    The server ends with the process `owner`, the workers with whoever asked for them.
    """

    def __init__(self, home: Path, owner: int) -> None:
        self.home, self._owner = home.resolve(), owner

    def prepare(self) -> None:
        """Have the server import, in the background, what the first training will need."""
        try:
            address = self._address()
            if not address.is_held():
                self._launch(address)
        except OSError as error:
            log.warning("no warm workers: %s", error)

    def __call__(
        self, arguments: Sequence[str], environment: Mapping[str, str], stdout: int, stderr: int
    ) -> Child:
        if tuple(arguments[:-1]) == (sys.executable, *WORKER):
            try:
                return self._fork(Request(plan=arguments[-1], environment=dict(environment)), stdout, stderr)
            except (OSError, ValueError) as error:
                log.warning("no warm worker, a cold one is started: %s", error)
        return start_cold(arguments, environment, stdout, stderr)

    def _address(self) -> Address:
        address = Address(self.home, version_of_code(os.environ))
        address.make_folder()
        return address

    def _fork(self, request: Request, stdout: int, stderr: int) -> Child:
        connection = self.connected()
        try:
            connection.settimeout(ANSWER_S)
            socket.send_fds(connection, [request.model_dump_json().encode()], [stdout, stderr])
            answer = received(connection)
            if answer is None or "pid" not in answer:
                raise ConnectionError(f"the server said {answer}")
            return Forked(int(answer["pid"]), connection)
        except BaseException:
            connection.close()  # and with it a worker that was forked in vain
            raise

    def connected(self) -> socket.socket:
        """A connection to a server that is ready; OSError where none becomes so."""
        address, until = self._address(), time.monotonic() + READY_S
        while time.monotonic() < until:
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            try:
                with address.reached() as name:
                    connection.connect(name)
                return connection
            except OSError:
                connection.close()
            if not address.is_held():
                self._launch(address)
            time.sleep(_POLL_S)
        raise TimeoutError(f"no server was ready within {READY_S:.0f} s; {address.folder}/server.log")

    def _launch(self, address: Address) -> None:
        """Start a server, unless one that this process has started is just about to take the lock."""
        with _launching:
            if before := _servers.get(address.socket):
                code = before.poll()
                if code is None:
                    return
                del _servers[address.socket]
                if code > 0:
                    raise ConnectionError(f"the server ended by itself; {address.folder}/server.log says why")
            with (address.folder / "server.log").open("ab") as said:
                _servers[address.socket] = subprocess.Popen(
                    [
                        *(sys.executable, "-m", "arc_core.training.forkserver"),
                        *(str(address.home), address.version, str(self._owner)),
                    ],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=said,
                    env={**os.environ, **SERVER_VARIABLES},
                )


class Forked:
    """A worker as the side that asked for it holds it: by a connection that is its leash.

    The server tells how the worker ended. The worker holds the connection too: where the server has gone
    before it, it tells its own end, and one that ends without a word was killed.
    """

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        if self.returncode is None:
            self._connection.setblocking(False)
            try:
                self._hear(received(self._connection))
            except BlockingIOError:
                return None
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            # Zero would mean not to wait at all, and to say so with another exception.
            self._connection.settimeout(None if timeout is None else max(timeout, 0.001))
            try:
                self._hear(received(self._connection))
            except TimeoutError:
                assert timeout is not None
                raise subprocess.TimeoutExpired("worker", timeout) from None
        assert self.returncode is not None
        return self.returncode

    def __del__(self) -> None:
        self._connection.close()  # where the server was frozen, nobody has

    def _hear(self, message: dict[str, int] | None) -> None:
        self.returncode = -signal.SIGKILL if message is None else int(message["returncode"])
        self._connection.close()
