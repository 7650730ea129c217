"""What the past says: statistics at once, and what the historian's model makes of it when it has answered."""

import logging
from typing import Any

from prefect.client.schemas.objects import State, TaskRun
from prefect.futures import PrefectFuture
from prefect.tasks import Task, exponential_backoff

from arc_core.agents.briefs import RecallBrief
from arc_core.agents.conduct import REMEMBERED
from arc_core.experiments.board import History, Proposal, Recollection
from arc_core.settings import get_settings
from tasks.context import Context
from tasks.policy import arc_task

GRACE_S = 60  # the task may take this much longer than its models


def is_news(record: logging.LogRecord) -> bool:
    """Not that Prefect can't interrupt what runs in a thread, which it warns of in every cycle: each request
    to a model has a deadline of its own, after which this one's time-out is told.
    """
    return not str(record.msg).startswith("Timeout of %s seconds configured for this task")


logging.getLogger("prefect.task_runs").addFilter(is_news)


@arc_task(name="digest")
def digest(context: Context) -> History:
    """The statistics of everything tried, which no model is needed for."""
    return context.board.historian.answer(_brief(context))


def recall(context: Context, history: History) -> PrefectFuture[Recollection]:
    """Have the historian's model look back; Prefect tries again after a time-out, and after nothing else."""
    settings, models = get_settings(), len(context.config.llm.of("historian").models)
    task = _recall.with_options(
        retries=settings.llm_max_retries,
        retry_delay_seconds=exponential_backoff(settings.llm_retry_delay),
        retry_jitter_factor=0.5,
        retry_condition_fn=_timed_out,
        timeout_seconds=settings.historian_timeout * max(models, 1) + GRACE_S,
    )
    return task.submit(context, history)


def remember(context: Context, history: History, recalled: PrefectFuture[Recollection]) -> History:
    """The statistics with the model's lessons; without them where it gave none."""
    found = recalled.result(raise_on_failure=False)
    if not isinstance(found, Recollection):
        if context.counsel is not None:
            context.counsel.go_offline("historian", f"{type(found).__name__}: {found}")
        found = Recollection()
    return history.model_copy(update={"lessons": found.lessons + history.lessons})


@arc_task(name="recall")
def _recall(context: Context, history: History) -> Recollection:
    memory, cycle_id = context.memory, context.cycle.id
    if context.counsel is None:
        return Recollection()
    if kept := memory.kept(cycle_id, Recollection) or context.said_before(Recollection):
        return kept[0]
    found = context.board.recollect(_brief(context), history)
    memory.keep(cycle_id, [found])
    return found


def _timed_out(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), TimeoutError)


def _brief(context: Context) -> RecallBrief:
    parent, parent_id = context.parent
    return RecallBrief(
        metric=context.config.metric,
        outcomes=context.outcomes,
        parent=parent,
        parent_id=parent_id,
        proposals_by_cycle=_recent_proposals(context),
        space=context.config.space,
        baseline=context.config.spec,
    )


def _recent_proposals(context: Context) -> dict[int, tuple[Proposal, ...]]:
    """Of the latest cycles before this one, whatever they ran."""
    before = [each for each in context.memory.cycles(context.study_id) if each.number < context.cycle.number]
    return {cycle.number: context.memory.kept(cycle.id, Proposal) for cycle in before[-REMEMBERED:]}
