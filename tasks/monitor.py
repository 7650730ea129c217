"""Watching the GPUs beside a cycle."""

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from arc_core.errors import ArcError
from arc_core.experiments.memory import open_memory
from arc_core.experiments.sample import Watch
from arc_core.gpu.sampler import Sampler
from arc_core.settings import get_settings
from tasks.policy import arc_task

_over = threading.Event()
LAST_WRITE_S = 5.0  # what the end of a watch may hold up its cycle


@arc_task(name="sample")
def sample(cycle_id: int) -> Watch:
    """Read the GPUs again and again, into the store, until what is watched is over."""
    settings = get_settings()
    memory = open_memory(settings.store_url)
    return Sampler(memory, cycle_id, settings.gpu_mode, settings.gpu_interval_s).run(_over)


@contextmanager
def beside(monitor: Callable[[int], object], cycle_id: int) -> Iterator[None]:
    """Run `monitor` in a thread as long as the block runs. It ends no cycle: why it failed is kept."""
    _over.clear()
    run = contextvars.copy_context().run  # with it Prefect knows whose flow run this one belongs to
    thread = threading.Thread(target=run, args=(_attempt, monitor, cycle_id), name="monitor", daemon=True)
    thread.start()
    try:
        yield
    finally:
        _over.set()
        thread.join(LAST_WRITE_S)


def _attempt(monitor: Callable[[int], object], cycle_id: int) -> None:
    settings, started = get_settings(), datetime.now(UTC)
    try:
        monitor(cycle_id)
    except Exception as error:  # noqa: BLE001  # a plot is no reason to end a night's training
        fault = f"{type(error).__name__}: {error}"
        watch = Watch(started=started, interval_s=settings.gpu_interval_s, failed=1, fault=fault)
        with suppress(ArcError):
            open_memory(settings.store_url).samples.keep_watch(cycle_id, watch)
