"""The next cycle: planned while this one trains, and held against the news before the rest of it trains."""

import time
from collections.abc import Iterable

from prefect.runtime import deployment

from arc_core.agents.briefs import CheckBrief, News
from arc_core.experiments.board import Proposal
from arc_core.experiments.limits import MAX_GPU_MEMORY_MIB
from arc_core.experiments.loop import Loop
from arc_core.settings import get_settings
from arc_core.training.feasibility import compile_proposals
from tasks.board import forbidden_ranges
from tasks.context import Context
from tasks.loop import may_go_on
from tasks.policy import arc_task
from tasks.progress import announce
from tasks.train import are_in_line, begin

IN_LINE_S = 60.0
POLL_S = 0.5  # two reads of few rows, or with a pool some requests, a handful of times a cycle


@arc_task(name="look ahead")
def next_cycle(context: Context, loop: Loop) -> Context | None:
    """The cycle after this one, for the board to plan; None where none would follow, or a person is asked."""
    config = context.config
    if not config.loop.ahead or config.board.autonomy != "full" or not may_go_on(context, loop):
        return None
    return context.model_copy(update={"cycle": context.memory.ahead.plan(context.cycle)})


@arc_task(name="begin ahead")
def begin_ahead(context: Context, deadline: float | None) -> None:
    """Put what the next cycle approved in line, behind all that trains now."""
    if _has_its_own_time(deadline):
        return
    _wait_for_those_before(context)
    for experiment in context.memory.ahead.unbegun(context.cycle):
        if experiment.outcome.cycle == context.cycle.number:
            begin(context, experiment.id, deadline, is_last=True)


def begin_repeats(context: Context, experiment_ids: Iterable[str], deadline: float | None) -> None:
    """Put what a verdict waits for in line, before what is planned ahead. The next cycle waits for it."""
    if not _has_its_own_time(deadline):
        for each in experiment_ids:
            begin(context, each, deadline, is_last=False)


def _has_its_own_time(deadline: float | None) -> bool:
    """Whether what this cycle begins for the next would have to end by this one's deadline."""
    return deadline is not None and deployment.id is not None


def _wait_for_those_before(context: Context) -> None:
    """Until all of the cycle at hand stand in line, which they do within a second or two of their start."""
    memory, until = context.memory, time.monotonic() + IN_LINE_S
    while time.monotonic() < until:
        waiting = [each.id for each in memory.pending(context.study_id) if each.outcome.status == "approved"]
        if are_in_line(context, waiting):
            return
        time.sleep(POLL_S)


@arc_task(name="recheck")
def recheck(context: Context) -> tuple[str, ...]:
    """Withdraw what was approved on old news, has not begun, and no longer holds. The executor says so.

    What a person approved stays: they were asked, and knew what they answered.
    """
    memory, settings, config = context.memory, get_settings(), context.config
    unbegun = {each.id: each for each in memory.ahead.unbegun(context.cycle)}
    proposals = memory.said_of(unbegun, Proposal)
    approved = memory.approvals.approved(context.study_id)
    asked = {id_: each for id_, each in proposals.items() if each.id not in approved}
    if not asked:
        return ()
    ranges = forbidden_ranges(context)
    compiled = compile_proposals(
        memory, context.study, tuple(asked.values()), settings, config.launch, ranges
    )
    brief = CheckBrief(
        proposals=tuple(asked.values()),
        compiled=compiled,
        memory_limit_mib=MAX_GPU_MEMORY_MIB,
        news=_news(context, frozenset(unbegun)),
    )
    checks = context.board.executor.answer(brief).checks
    faults = {
        experiment_id: "; ".join(check.reasons)
        for experiment_id, check in zip(asked, checks, strict=True)
        if not check.runs
    }
    withdrawn = memory.ahead.withdraw(faults)
    for each in withdrawn:
        cycle = unbegun[each].outcome.cycle
        how = "planned ahead" if cycle == context.cycle.number else "left behind"
        announce(f"{each} of cycle {cycle}, {how}, is withdrawn: it {faults[each]}.")
    return withdrawn


def convened(context: Context) -> Context:
    """The cycle as it begins: where something that was planned ahead no longer holds, or has not since the
    cycle before, with a new meeting; not where a person has had their say, nor where the gate has: a cycle
    that was interrupted goes on with the decisions it had taken."""
    memory, ahead, cycle = context.memory, context.memory.ahead, context.cycle
    own = [each.id for each in memory.agenda(cycle) if each.outcome.cycle == cycle.number]
    if memory.verdicts(context.study_id, own):
        return context
    recheck(context)
    if ahead.has_lost(cycle) and not context.memory.approvals.of_cycle(cycle.id):
        return context.model_copy(update={"cycle": ahead.meet_again(cycle)})
    return context


def _news(context: Context, unbegun: frozenset[str]) -> News:
    parent, parent_id = context.parent
    others = (each for each in context.outcomes if each.experiment_id not in unbegun)
    return News(
        parent_id=parent_id,
        baseline_leads=parent.id == context.config.spec.id,
        tried=frozenset(each.spec_id for each in others),
    )
