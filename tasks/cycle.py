"""Opening and closing a cycle."""

import tempfile
from pathlib import Path

from arc_core.config import ArcConfig
from arc_core.data.study import open_study
from arc_core.experiments.memory import Memory, open_memory
from arc_core.settings import get_settings
from tasks.context import Context
from tasks.policy import arc_task


@arc_task(name="open cycle")
def open_cycle(config: ArcConfig, *, dry_run: bool) -> Context:
    """Check the data, freeze the split, and take up the unfinished cycle or begin the next."""
    settings = get_settings()
    scratch = _scratch_copy() if dry_run else None
    memory = open_memory(scratch or settings.store_url)
    study = open_study(memory, config.data, config.task, config.metric, settings.home.resolve())
    cycle = memory.begin_cycle(study.id)
    return Context(config=config, study_id=study.id, cycle=cycle, scratch=scratch)


@arc_task(name="close cycle")
def close_cycle(context: Context, *, failed: str = "") -> None:
    """Record how the cycle ended."""
    context.memory.end_cycle(context.cycle.id, failed=failed)


def _scratch_copy() -> str:
    """The URL of a copy of the store: what a dry run writes is thrown away."""
    settings = get_settings()
    copy = f"sqlite:///{Path(tempfile.mkdtemp(prefix='arc-dry-run-')) / 'arc.db'}"
    untouched = settings.database_url is None and not (settings.home / "arc.db").exists()
    if not untouched:
        open_memory(settings.store_url).copy_to(Memory(copy))
    return copy
