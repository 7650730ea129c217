"""What a process that runs cycle after cycle takes of the machine: what one leaves goes before the next."""

import ctypes
import gc
import os
from contextlib import suppress

from arc_core.agents import effects

MMAP_THRESHOLD, ARENA_MAX = -3, -8  # glibc's M_MMAP_THRESHOLD and M_ARENA_MAX
LARGE_BYTES = 128 * 2**10
TEMPORARY_SERVER = {"PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED": "false"}
"""Prefect's temporary server has no page to show events on, and would keep half a MiB of them a cycle."""


def keep_small() -> None:
    """Before the first cycle: one heap for all threads, none of what is large in it, no events on the disk.

    The threads of a cycle end with it, and of heaps of their own glibc could give back little. Large blocks,
    such as a page, go back at once from outside the heap; glibc puts them into it once it has seen a few.
    """
    for name, value in TEMPORARY_SERVER.items():
        os.environ.setdefault(name, value)
    _glibc("mallopt", ARENA_MAX, 1)
    _glibc("mallopt", MMAP_THRESHOLD, LARGE_BYTES)


def give_back(*, first: bool) -> None:
    """After each cycle, the `first` or a later one: let go of what it has left.

    Python's collector would look only every fifth cycle, and glibc keep 30 MiB of what is freed.
    """
    effects.forget()
    gc.collect()
    if first:
        gc.freeze()  # what the imports made is there to stay: 0.1 s less for each look
    _glibc("malloc_trim", 0)


def _glibc(name: str, *arguments: int) -> None:
    with suppress(AttributeError):  # another C library has no such function
        getattr(ctypes.CDLL(None), name)(*arguments)
