"""Disks of a test's own, which can be filled or made read-only."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    """A file system in memory, mounted at `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ballast = root / "ballast"

    def fill(self) -> None:
        """Leave no byte free."""
        ballast = os.open(self._ballast, os.O_CREAT | os.O_WRONLY)
        try:
            while True:
                os.write(ballast, b"0" * 4096)
        except OSError:
            os.close(ballast)

    def empty(self) -> None:
        """Take away what `fill` wrote."""
        self._ballast.unlink()

    def set(self, mode: str) -> None:
        """Make it read-only ("ro") or writable ("rw"). Refused while a file of it is open for writing."""
        subprocess.run(["mount", "-o", f"remount,{mode}", self.root], check=True)


@contextmanager
def disk_at(root: Path, mib: int) -> Iterator[Disk]:
    """A disk of so many MiB at a folder, which only a user with the right to mount one can have."""
    root.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", root],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"no right to mount: {mounted.stderr.strip()}")
    try:
        yield Disk(root)
    finally:
        subprocess.run(["umount", "--lazy", root], check=True)
