"""Where warm workers are asked for, and in which words: what the asking side and the server share."""

import fcntl
import json
import os
import socket
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import Field, field_validator

import arc_core
from arc_core.provenance.canonical import sha256_of
from arc_core.record import Record
from arc_core.training.plan import KEEP_FREED_MEMORY

WORKER = ("-m", "arc_core.training.worker")
MOST_BYTES = 16_384
ANSWER_S = 10.0

VARIABLES = frozenset(
    {
        *("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "CUBLAS_WORKSPACE_CONFIG"),
        *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "PYTHONHASHSEED", "PYTHONUNBUFFERED"),
        *("RANK", "LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"),
        *("DS_ACCELERATOR", "ARC_RENDEZVOUS"),
        *KEEP_FREED_MEMORY,
    }
)
"""What a training plan sets in its workers' environment, and nothing else can be set."""

SERVER_VARIABLES = {
    # No pool of threads may be there when a process forks; the worker sets torch's number itself.
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONHASHSEED": "0",
    # Libraries that look for GPUs as they are imported ask the driver's monitor, and leave CUDA alone.
    "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    **KEEP_FREED_MEMORY,
}
# Read when the interpreter or a library starts: a server started under others would train otherwise.
_AT_START = (
    "PYTHON",
    "LD_",
    "TORCH",
    "PYTORCH",
    "OMP_",
    "MKL_",
    "ATEN_",
    "DNNL_",
    "NCCL_",
    "CUDA_",
    "MALLOC_",
)


class Request(Record):
    """All that can be asked: to train the plan at this path."""

    plan: str = Field(pattern=r"^/(.*/)?plan\.json$")
    environment: dict[str, str]

    @field_validator("environment")
    @classmethod
    def _known(cls, environment: dict[str, str]) -> dict[str, str]:
        if unknown := environment.keys() - VARIABLES:
            raise ValueError(f"not a plan's variables: {', '.join(sorted(unknown))}")
        return environment


class Address:
    """The socket of one version of the code in one ARC home, and the lock of the server behind it."""

    def __init__(self, home: Path, version: str) -> None:
        self.home, self.version = home, version
        self.folder = home / "warm"
        self.socket = self.folder / f"{version}.sock"
        self._lock = self.folder / f"{version}.lock"

    def make_folder(self) -> None:
        """PermissionError where others than this user could get in."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = self.folder.stat()
        if found.st_uid != os.getuid() or found.st_mode & 0o077:
            raise PermissionError(f"{self.folder} is not this user's alone")

    @contextmanager
    def reached(self) -> Iterator[str]:
        """A name of the socket that fits the 107 bytes that the system allows, however deep the home lies."""
        folder = os.open(self.folder, os.O_PATH | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{folder}/{self.socket.name}"
        finally:
            os.close(folder)

    def hold(self) -> IO[bytes] | None:
        """The server's lock, as long as the file is open; None: another has it."""
        file = self._lock.open("ab")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if not (self._lock.exists() and self._lock.samefile(f"/proc/self/fd/{file.fileno()}")):
            file.close()  # the last server has just taken it along
            return self.hold()
        return file

    def leave(self, lock: IO[bytes]) -> None:
        """The server's end: neither socket nor lock is left."""
        self.socket.unlink(missing_ok=True)
        self._lock.unlink(missing_ok=True)
        lock.close()

    def is_held(self) -> bool:
        """Whether a server serves here, or is about to."""
        held = self.hold()
        if held is not None:
            held.close()
        return held is None


def version_of_code(environment: Mapping[str, str]) -> str:
    """Changes with ARC's code, the interpreter, what is installed, and the variables that count at start."""
    root = Path(arc_core.__file__).parent
    files = {str(path.relative_to(root)): _stamp(path) for path in root.rglob("*.py")}
    ours = VARIABLES | SERVER_VARIABLES.keys()
    variables = {k: v for k, v in environment.items() if k.startswith(_AT_START) and k not in ours}
    installed = _stamp(Path(sysconfig.get_path("purelib")))
    return sha256_of([str(root), files, sys.executable, sys.version, installed, variables])[:16]


def _stamp(path: Path) -> str:
    found = path.stat()
    return f"{found.st_mtime_ns} {found.st_size}"


def send(connection: socket.socket, **message: object) -> None:
    connection.send(json.dumps(message).encode())


def received(connection: socket.socket) -> dict[str, Any] | None:
    """The next message; None where the other side has gone. BlockingIOError and TimeoutError as usual."""
    try:
        text = connection.recv(MOST_BYTES)
    except ConnectionError:
        return None
    message: dict[str, Any] | None = json.loads(text) if text else None
    return message
