"""Which program writes the record, and on what: its code, what is installed, the machine."""

import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sysconfig
from functools import cache
from pathlib import Path

import psutil

from arc_core.provenance.canonical import sha256_of, sha256_of_file
from arc_core.provenance.ledger import Actor, Origin
from arc_core.settings import get_settings

ROOT = Path(__file__).parents[2]
PARTS = ("arc_core", "configs", "flows", "tasks")
KINDS = (".py", ".yaml", ".json", ".csv", ".html", ".css", ".js", ".j2")
GIT_S = 10.0
STATED = ("torch", "lightning", "monai", "numpy")


@cache
def origin() -> Origin:
    """Of this process. Without git, or a checkout, the code is told by its own hash alone."""
    commit = _git("rev-parse", "HEAD")
    return Origin(
        code=_code(),
        commit=commit,
        is_dirty=bool(commit and _git("status", "--porcelain", "--", *PARTS)),
        lock=sha256_of_file(lock) if (lock := ROOT / "requirements.lock").is_file() else "",
        environment=_installed(),
    )


@cache
def machine() -> dict[str, str | int | float]:
    """What a training runs on, but for its GPUs, and with which libraries."""
    versions = {name: importlib.metadata.version(name) for name in STATED}
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count() or 0,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        **versions,
    }


def arc(name: str = "ARC", mind: str = "") -> Actor:
    """ARC itself, or one of its agents, on behalf of whoever operates it."""
    return Actor(name=name, mind=mind, acts_for=get_settings().operator)


def _code() -> str:
    digest = hashlib.sha256()
    for path in sorted(each for part in PARTS for each in (ROOT / part).rglob("*") if _counts(each)):
        digest.update(f"{path.relative_to(ROOT)}\0{sha256_of_file(path)}\n".encode())
    return digest.hexdigest()


def _counts(path: Path) -> bool:
    return path.suffix in KINDS and path.is_file()


def _installed() -> str:
    """By the folders' names, which are those of distributions and versions: to read them all takes 0.1 s."""
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    return sha256_of(sorted(each.name for place in places for each in Path(place).glob("*.dist-info")))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _git(*arguments: str) -> str:
    """What git says; nothing where there is none, or the code lies in no checkout of its own."""
    if not (ROOT / ".git").exists():
        return ""
    try:
        ran = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=GIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return ran.stdout.strip() if ran.returncode == 0 else ""
