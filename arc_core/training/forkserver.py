"""The process that forks warm workers: `python -m arc_core.training.forkserver HOME VERSION OWNER_PID`.

It imports what a training needs, never touches CUDA, and has no thread beside its own, so a fork of it is
as good as a fresh interpreter. Each request is for one worker; the answer is {"pid"} or {"refused"}, later
{"returncode"}. It ends with its owner, when it has had nothing to do for a while, and when its socket or the
whole home is gone; never before the last of its workers.
"""

import contextlib
import os
import selectors
import shlex
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

import psutil
from pydantic import ValidationError
from setproctitle import setproctitle

from arc_core.training import libraries
from arc_core.training.child import LEASH_VARIABLE
from arc_core.training.warm_socket import MOST_BYTES, WORKER, Address, Request, send, version_of_code

# It holds about 400 MiB. The trainings of a cycle follow each other closely, cycles may be an hour apart.
IDLE_S = 300.0
CHECK_S = 5.0  # how often it looks whether it is still wanted; costs nothing to speak of
LOCK_S = 1.0  # who only asks whether the lock is held has it for some microseconds
READ_S = 1.0
_CREDENTIALS = struct.Struct("3i")  # pid, uid, gid


class Server:
    """Answers requests, and reports the end of the workers that came of them."""

    def __init__(self, address: Address, listener: socket.socket, lock: IO[bytes], owner: int) -> None:
        """`owner`: a file descriptor of the process whose end ends the server."""
        self._address, self._listener, self._lock = address, listener, lock
        self._born = address.socket.stat().st_ino
        self._workers: dict[int, tuple[int, socket.socket]] = {}
        self._owner = owner
        self._open = True
        self._used = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ, self._answer)
        self._selector.register(self._owner, selectors.EVENT_READ, self._close)

    def serve(self) -> None:
        """Until nobody wants it any more, or SIGTERM; never before the end of its workers, which it tells."""
        woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        signal.signal(signal.SIGTERM, lambda number, frame: None)
        signal.set_wakeup_fd(self._waker)
        self._selector.register(woken, selectors.EVENT_READ, lambda: self._stop(woken))
        try:
            while self._open or self._workers:
                for key, _ in self._selector.select(CHECK_S):
                    act: Callable[[], None] = key.data
                    act()
                if not self._is_wanted():
                    self._close()
        finally:
            self._close()

    def _stop(self, woken: int) -> None:
        os.read(woken, 16)
        self._close()

    def _is_wanted(self) -> bool:
        try:
            if self._address.socket.stat().st_ino != self._born:
                return False
        except OSError:
            return False
        return bool(self._workers) or time.monotonic() - self._used < IDLE_S

    def _close(self) -> None:
        """Take no more requests."""
        if not self._open:
            return
        self._open = False
        self._selector.unregister(self._listener)
        self._selector.unregister(self._owner)
        self._listener.close()
        self._address.leave(self._lock)

    def _answer(self) -> None:
        if not self._open:
            return
        connection, _ = self._listener.accept()
        fds: list[int] = []
        try:
            connection.settimeout(READ_S)
            text, fds, _, _ = socket.recv_fds(connection, MOST_BYTES, 2)
            if reason := _refusal(connection, fds):
                send(connection, refused=reason)
                connection.close()
                return
            self._fork(connection, Request.model_validate_json(text), fds)
        except ValidationError as error:
            send(connection, refused=error.errors()[0]["msg"])
            connection.close()
        except OSError:  # who asked has gone again
            connection.close()
        finally:
            for fd in fds:
                os.close(fd)
            self._used = time.monotonic()

    def _fork(self, connection: socket.socket, request: Request, fds: list[int]) -> None:
        server = os.getpid()
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                self._leave()
                code = _work(connection, request, fds)
                sys.stderr.flush()
                if os.getppid() != server:  # nobody else is left to tell
                    send(connection, returncode=code)
            except BaseException:  # noqa: BLE001  # as an interpreter does with what nobody has caught
                sys.excepthook(*sys.exc_info())
                sys.stderr.flush()
            finally:
                os._exit(code)
        pidfd = os.pidfd_open(pid)
        self._workers[pidfd] = pid, connection
        self._selector.register(pidfd, selectors.EVENT_READ, lambda: self._ended(pidfd))

    def _leave(self) -> None:
        """In the forked process: let go of all that is the server's, other workers' leashes above all."""
        signal.set_wakeup_fd(-1)
        self._selector.close()
        self._listener.close()
        self._lock.close()
        os.close(self._owner)
        for pidfd, (_, connection) in self._workers.items():
            os.close(pidfd)
            connection.close()

    def _ended(self, pidfd: int) -> None:
        pid, connection = self._workers.pop(pidfd)
        self._selector.unregister(pidfd)
        os.close(pidfd)
        _, status = os.waitpid(pid, 0)
        with contextlib.suppress(OSError):  # who asked may have gone
            send(connection, returncode=os.waitstatus_to_exitcode(status))
        connection.close()
        self._used = time.monotonic()


def _refusal(connection: socket.socket, fds: list[int]) -> str | None:
    """Why there is no worker for this request."""
    import torch

    options = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    if _CREDENTIALS.unpack(options)[1] != os.getuid():
        return "another user asks"
    if len(fds) != 2:
        return "standard output and standard error have to come along"
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return "CUDA is initialised; a forked process could not use it"
    if (threads := psutil.Process().num_threads()) > 1:
        return f"the server has {threads} threads; what they hold would stay locked in a forked process"
    return None


def _work(connection: socket.socket, request: Request, fds: list[int]) -> int:
    """In the forked process: become what `python -m arc_core.training.worker PLAN` would be."""
    os.setsid()
    send(connection, pid=os.getpid())  # not before it can be ended with all that it starts
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    connection.setblocking(True)  # as standard input it is waited on
    os.dup2(connection.fileno(), 0)
    for number, fd in enumerate(fds, start=1):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.pop("PYTORCH_NVML_BASED_CUDA_CHECK")
    os.environ |= request.environment | {LEASH_VARIABLE: "stdin"}
    os.chdir(Path(request.plan).parent)
    sys.argv = [*WORKER, request.plan]
    setproctitle(shlex.join([sys.executable, *sys.argv]))

    from arc_core.training.worker import main as work

    return work([request.plan])


def forks_can_use_cuda() -> bool:
    """Whether the imports have left CUDA alone. Only a fork can tell."""
    import torch

    pid = os.fork()
    if pid == 0:
        os._exit(int(torch.cuda._is_in_bad_fork()))
    return os.waitpid(pid, 0)[1] == 0


def main(home: str, version: str, owner: str) -> str | None:
    """Returns when there is a server already, or nobody wants this one any more; or says why it can't."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the owner, and that ends this process too
    address, environment = Address(Path(home), version), dict(os.environ)
    owner_fd = os.pidfd_open(int(owner))  # before the imports, in whose time it may end
    until = time.monotonic() + LOCK_S
    while (lock := address.hold()) is None:
        if time.monotonic() > until:
            return None
        time.sleep(LOCK_S / 20)
    libraries.load()
    if version_of_code(environment) != version:  # the imports may have set variables of their own
        return "the code has changed since this server was asked for"
    if not forks_can_use_cuda():
        return "an import has initialised CUDA, which a forked process could not use"
    address.socket.unlink(missing_ok=True)  # of a server that was killed
    with address.reached() as name, socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(name)
        listener.listen()
        Server(address, listener, lock, owner_fd).serve()
    return None


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
