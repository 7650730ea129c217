"""What tests ask of processes."""

import psutil


def has_ended(pid: int) -> bool:
    """Whether the process is gone; a zombie nobody has reaped yet (a container's orphan) counts as gone."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
