"""Flow `arc`: one research cycle. `python -m flows.cycle` runs it here, `arc/continuous` deployed."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from prefect import flow
from prefect.runtime import deployment
from prefect.states import Cancelled, Completed

from arc_core.config import ArcConfig, load_config
from arc_core.errors import CycleBusy
from arc_core.experiments.board import History
from arc_core.experiments.home import only_cycle_in
from arc_core.report.summary import CycleSummary
from arc_core.settings import get_settings
from flows.monitor import monitor
from tasks.approval import approve_directive, approve_experiments, cleared
from tasks.board import agenda, decide, direct, left_over, propose, review
from tasks.context import Context
from tasks.cycle import close_cycle, open_cycle
from tasks.judge import judge
from tasks.monitor import beside
from tasks.pause import need_server
from tasks.plan import plan
from tasks.publish import publish
from tasks.recall import digest, recall, remember
from tasks.reconcile import reconcile
from tasks.train import train, trainings_end_with_it, warm_up

WRAP_UP_S = 15.0  # judging, the report and the server's end come after the last training


@flow(name="arc", log_prints=False)
def arc(
    task: str | None = None,
    data: str | None = None,
    overrides: list[str] | None = None,
    max_minutes: float | None = None,
    dry_run: bool = False,
) -> CycleSummary:
    """One research cycle: recall, direct, propose, review, decide, train, judge, record.

    `task`, `data` and `overrides` are those of the command line. With `max_minutes`, nothing is
    started that is not expected to end in time. A dry run stops at the plan: it trains and records
    nothing.
    """
    deadline = None if max_minutes is None else time.time() + 60 * max_minutes - WRAP_UP_S
    config = load_config(overrides or [], task=task, data=data)
    if config.board.autonomy == "off":
        return switched_off(config)
    if dry_run:
        return plan_only(config, deadline)
    need_server(config.board)
    try:
        with only_cycle_in(get_settings().home.resolve()):
            return hold(config, deadline)
    except CycleBusy as busy:
        if deployment.id is None:
            raise
        return too_early(busy)


def hold(config: ArcConfig, deadline: float | None) -> CycleSummary:
    """A cycle from its opening to its close, which records how it ended."""
    context = open_cycle(config, deadline)
    reconcile(context)
    warm_up(context)
    try:
        with trainings_end_with_it():
            return run(context, deadline)
    except BaseException as error:
        close_cycle(context, failed=f"{type(error).__name__}: {error}")
        raise


def run(context: Context, deadline: float | None) -> CycleSummary:
    """The whole cycle: the board meets, what it approved is trained, the gate judges, the record is kept."""
    with beside(monitor, context.cycle.id):
        left, taken = agenda(context), left_over(context, deadline)
        early = () if context.asks_before_training else cleared(context)
        trainings = [train(context, each, deadline) for each in early]  # they need nothing of the meeting
        history = meet(context, taken, deadline)
        experiments = tuple(dict.fromkeys((*left, *agenda(context))))
        trainings += [train(context, each, deadline) for each in cleared(context) if each not in early]
        for training in trainings:
            training.result()
    judge(context)
    summary = publish(context, history, experiments)
    close_cycle(context)
    return summary


def meet(context: Context, taken: int, deadline: float | None) -> History:
    """The board's meeting; what it selects, and a person where one has to agree, waits in the store.

    `taken`: the cycle's slots that experiments left from before will take.
    """
    history = digest(context)
    recalled = recall(context, history)  # the historian's model thinks while the director's does
    directive = approve_directive(context, direct(context, history, taken), deadline)
    history = remember(context, history, recalled)
    if directive is None:
        return history
    proposals = propose(context, history, directive)
    reviews = review(context, history, directive, proposals)
    decide(context, history, directive, proposals, reviews, deadline)
    approve_experiments(context, deadline)
    return history


def plan_only(config: ArcConfig, deadline: float | None) -> CycleSummary:
    """A dry run: the meeting, and the plan of what it would train. Says how long it took itself."""
    began = time.monotonic()
    with TemporaryDirectory(prefix="arc-dry-run-") as scratch:
        context = open_cycle(config, scratch_folder=Path(scratch))
        meet(context, left_over(context, deadline), deadline)
        summary: CycleSummary = plan(context)
    return summary.model_copy(update={"body_s": time.monotonic() - began})


def switched_off(config: ArcConfig) -> CycleSummary:
    """`board.autonomy=off`: no cycle is opened, and the run's state says so."""
    note = "board.autonomy is off: no cycle was opened and nothing ran."
    summary = CycleSummary(
        study_id="", cycle=0, metric=config.metric, simulated=False, cohort="", mode="off", note=note
    )
    # Prefect takes a state that a flow returns for the run's own, and hands its data to the caller.
    return cast(CycleSummary, Completed(name="Off", message=note, data=summary))


def too_early(busy: CycleBusy) -> CycleSummary:
    """A deployed run while another holds the home, perhaps waiting for a person: cancelled, not failed."""
    return cast(CycleSummary, Cancelled(message=str(busy)))


if __name__ == "__main__":
    from flows.command_line import cycle_command

    cycle_command(arc)
