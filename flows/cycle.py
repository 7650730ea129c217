"""Flow `arc`: one research cycle. `python -m flows.cycle` runs it here, `arc/continuous` deployed."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from prefect import flow
from prefect.runtime import deployment
from prefect.states import Cancelled, Completed

from arc_core.clock import unix_s
from arc_core.config import ArcConfig, load_config
from arc_core.errors import CycleBusy, CycleFailed
from arc_core.experiments.board import History
from arc_core.experiments.home import only_cycle_in
from arc_core.experiments.loop import Course, Loop, LoopRequest
from arc_core.report.summary import CycleSummary
from arc_core.settings import get_settings
from flows.monitor import monitor
from flows.signals import is_stopped, take_back
from tasks.ahead import begin_ahead, begin_repeats, convened, next_cycle, recheck
from tasks.approval import approve_directive, approve_experiments, cleared
from tasks.artifact import show_plan
from tasks.board import agenda, decide, direct, left_over, propose, review
from tasks.context import Context
from tasks.cycle import close_cycle, closed_with_it, open_cycle
from tasks.judge import judge
from tasks.loop import (
    as_asked,
    deadline_of,
    end_turn,
    fail_turn,
    interrupted,
    is_mistake,
    take_turn,
    wait_for,
    what_next,
)
from tasks.monitor import beside
from tasks.pause import need_server
from tasks.plan import plan
from tasks.publish import publish
from tasks.recall import digest, recall, remember
from tasks.reconcile import reconcile
from tasks.train import Going, call_off, trainings_end_with_it, warm_up

WRAP_UP_S = 15.0  # judging, the report and the server's end come after the last training
STATES = {"stop": "Stopped", "wait": "Waiting"}


@flow(name="arc", log_prints=False)
def arc(
    task: str | None = None,
    data: str | None = None,
    overrides: list[str] | None = None,
    max_minutes: float | None = None,
    dry_run: bool = False,
    max_cycles: int | None = None,
    go_on: bool = False,
) -> CycleSummary:
    """One research cycle: recall, direct, propose, review, decide, train, judge, record.

    `task`, `data` and `overrides` are those of the command line. With `max_minutes`, nothing is
    started that is not expected to end in time. A dry run stops at the plan: it trains and records
    nothing. The cycle is the first of a loop of at most `max_cycles`; with `go_on` it is the next of
    the loop that was started last, as that was asked for, and there is none where that has stopped.
    """
    take_back()
    asked = LoopRequest(
        task=task, data=data, overrides=overrides or (), max_minutes=max_minutes, max_cycles=max_cycles
    )
    asked = as_asked(asked) if go_on else asked
    config = load_config(asked.overrides, task=asked.task, data=asked.data)
    if config.board.autonomy == "off":
        return nothing_ran(config, "Off", "board.autonomy is off: no cycle was opened and nothing ran.")
    if dry_run:
        return plan_only(config, ends_by(max_minutes))
    need_server(config.board)
    try:
        with only_cycle_in(get_settings().home.resolve()):
            return turn(config, asked.model_copy(update={"data": asked.data and config.data.path}), go_on)
    except CycleBusy as busy:
        if deployment.id is None:
            raise
        return too_early(busy)


def turn(config: ArcConfig, asked: LoopRequest, go_on: bool) -> CycleSummary:
    """A turn of the loop: one cycle, if the loop's rules let it begin; what follows is in the run's state."""
    loop, course = take_turn(config, asked, go_on=go_on)
    if course.goes == "on":
        return hold(config, loop, deadline_of(config, loop, asked.max_minutes))
    if course.until is not None:
        wait_for(course.until)
    return nothing_ran(config, STATES[course.goes], course.words, course)


def hold(config: ArcConfig, loop: Loop, deadline: float | None) -> CycleSummary:
    """A cycle from its opening to its close, which records how it ended."""
    deadline = None if deadline is None else deadline - WRAP_UP_S
    try:
        context = open_cycle(config, deadline)
        reconcile(context)
        warm_up(context)
        with trainings_end_with_it(), closed_with_it(context):
            summary = run(context, loop, deadline)
    except Exception as error:
        if is_stopped():
            interrupted(loop)
            raise KeyboardInterrupt from error
        course = fail_turn(config, loop, error)
        if loop.request.max_cycles == 1 or is_mistake(error):
            raise
        raise CycleFailed(f"{type(error).__name__}: {error}. {course.words}", course.until) from error
    except BaseException:
        interrupted(loop)
        raise
    if summary.loop.goes == "on":
        return summary
    return shown_as(STATES[summary.loop.goes], summary.loop.words, summary)


def run(context: Context, loop: Loop, deadline: float | None) -> CycleSummary:
    """The whole cycle: the board meets, what it approved is trained, the gate judges, the record is kept."""
    with beside(monitor, context.cycle.id):
        context = convened(context)
        left, taken = agenda(context), left_over(context, deadline)
        early = () if context.asks_before_training else cleared(context)
        going = Going(context, deadline)
        going.begin((*context.memory.repeats.pending(context.study_id), *early))  # they need no meeting
        history = meet(context, taken, deadline)
        show_plan(context)
        experiments = tuple(dict.fromkeys((*left, *agenda(context))))
        going.begin(cleared(context))
        ahead = look_ahead(context, loop, deadline)
        judged(context, going, ahead, deadline)
        ended, course = what_next(context, loop, going.begun)
        if ahead is not None and course.goes == "stop":
            call_off(ahead)  # nobody will wait for it; its places go to what this cycle's verdicts wait for
            judged(context, going, None, deadline)
            ended, course = what_next(context, loop, going.begun)
    summary = publish(context, history, experiments, course)
    close_cycle(context)
    end_turn(context, loop, ended, course)
    return summary


def judged(context: Context, going: Going, ahead: Context | None, deadline: float | None) -> None:
    """The end of all trainings, and the gate's verdicts, each as soon as its turn has come. Where one needs
    trainings with further seeds, they begin beside the others. The next cycle waits for them, where there is
    one, and what is planned for it is held against the news; a verdict that finds no time waits too. What of
    this cycle was stopped is the next one's to take up: begun again here, it would count as if it trained."""
    while True:
        wanted = judge(context, going.ids)
        if ahead is None:
            going.begin(wanted)
        else:
            begin_repeats(context, [each for each in wanted if each not in going.begun], deadline)
            recheck(ahead)
        if not going.ids:
            return
        going.wait()


def look_ahead(context: Context, loop: Loop, deadline: float | None) -> Context | None:
    """While these train, the next cycle's meeting; what it approves trains as soon as a place is free."""
    ahead: Context | None = next_cycle(context, loop)
    if ahead is not None:
        meet(ahead, 0, None)
        begin_ahead(ahead, deadline)
    return ahead


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
    summary = summary.model_copy(update={"body_s": time.monotonic() - began})
    return shown_as("Planned", "A dry run.", summary)


def ends_by(max_minutes: float | None) -> float | None:
    """When what is started now has to end, in the time of clock.unix_s."""
    return None if max_minutes is None else unix_s() + 60 * max_minutes - WRAP_UP_S


def nothing_ran(config: ArcConfig, name: str, note: str, loop: Course | None = None) -> CycleSummary:
    """No cycle is opened, and the run's state says why."""
    summary = CycleSummary(
        study_id="",
        cycle=0,
        metric=config.metric,
        simulated=False,
        cohort="",
        mode="off",
        note=note,
        loop=loop or Course(goes="stop", reason=note),
    )
    return shown_as(name, note, summary)


def shown_as(name: str, message: str, summary: CycleSummary) -> CycleSummary:
    """Completed, under a name of its own: only the event of a plain Completed starts the next cycle.

    Prefect takes a state that a flow returns for the run's own, and hands its data to the caller.
    """
    return cast(CycleSummary, Completed(name=name, message=message, data=summary))


def too_early(busy: CycleBusy) -> CycleSummary:
    """A deployed run while another holds the home, perhaps waiting for a person: cancelled, not failed."""
    return cast(CycleSummary, Cancelled(message=str(busy)))


if __name__ == "__main__":
    from flows.command_line import cycle_command

    cycle_command(arc)
