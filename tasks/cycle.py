"""Opening and closing a cycle."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from arc_core.clock import unix_s
from arc_core.config import ArcConfig
from arc_core.data.study import open_study
from arc_core.experiments.memory import open_memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.verification import declare_key, seal
from arc_core.gate import declared
from arc_core.logs import about
from arc_core.provenance.heads import Heads
from arc_core.settings import get_settings
from arc_core.training.feasibility import check_launch
from tasks.artifact import show_opening
from tasks.context import Context, parent_in
from tasks.policy import arc_task
from tasks.progress import announce

log = logging.getLogger(__name__)


@arc_task(name="open cycle")
def open_cycle(
    config: ArcConfig, deadline: float | None = None, *, scratch_folder: Path | None = None
) -> Context:
    """Check the data, freeze the split, and take up the unfinished cycle or begin the next.

    With a scratch folder, all of it happens in a copy of the store that lies there. Of the time up to
    `deadline`, the second half is the trainings': no language model is waited for longer.
    """
    settings = get_settings()
    scratch = _scratch_copy(scratch_folder) if scratch_folder else None
    memory = open_memory(scratch or settings.store_url)
    if scratch is None:
        Runs.of(settings).check()
        Heads(settings.anchors_folder).check()
    study = open_study(memory, config.data, config.task, config.metric, settings.home.resolve())
    known = open_memory(settings.store_url) if settings.has_store else memory  # a copy has no ledger
    declared.check(known.ledger, study.id, config.gate)
    parent, _ = parent_in(memory, study.id, config)
    check_launch(memory, study, parent, settings, config.launch)
    before = memory.cycles(study.id)
    if scratch is None:
        declare_key(memory.ledger, settings)
        declared.declare(memory, study.id, config.gate)
    cycle = memory.begin_cycle(study.id)
    if scratch is None and any(each.id == cycle.id and each.status != "planned" for each in before):
        announce(
            f"Cycle {cycle.number} was interrupted and is taken up again, with the decisions it had taken."
        )
    context = Context(
        config=config,
        study_id=study.id,
        cycle=cycle,
        scratch=scratch,
        models_until=None if deadline is None else (unix_s() + deadline) / 2,
    )
    if context.counsel is not None:
        context.counsel.warm_up()
    _tell(context, "is open")
    show_opening(context)
    return context


@arc_task(name="close cycle")
def close_cycle(context: Context, *, failed: str = "") -> None:
    """Record how the cycle ended."""
    context.memory.end_cycle(context.cycle.id, failed=failed)
    seal(context.memory.ledger, get_settings())
    _tell(context, f"failed: {failed}" if failed else "is closed")


def _tell(context: Context, what: str) -> None:
    with about(study_id=context.study_id, cycle=context.cycle.number):
        log.info("cycle %d %s", context.cycle.number, what)


@contextmanager
def closed_with_it(context: Context) -> Iterator[None]:
    """A failure or a stop is recorded as the cycle's end; it is taken up again next time."""
    try:
        yield
    except BaseException as error:
        close_cycle(context, failed=f"{type(error).__name__}: {error}")
        raise


def _scratch_copy(folder: Path) -> str:
    settings = get_settings()
    url = f"sqlite:///{folder / 'arc.db'}"
    if settings.has_store:
        open_memory(settings.store_url).copy_to(open_memory(url))
    return url
