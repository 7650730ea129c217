"""The loop around the cycles: what the store knows of it, held against the rules, and what follows."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from itertools import takewhile

from prefect.runtime import deployment

from arc_core.clock import age_s, unix_s
from arc_core.config import ArcConfig
from arc_core.errors import BadInput, StoreError
from arc_core.experiments.board import Decision
from arc_core.experiments.loop import Course, Facts, Loop, LoopConfig, LoopRequest, Turn, course_of
from arc_core.experiments.memory import Memory, open_memory
from arc_core.report.summary import printable
from arc_core.settings import get_settings
from tasks.context import Context
from tasks.policy import arc_task
from tasks.successor import lay_out_spare, start_at, take_spares_away

SIGNAL = "Ctrl-C or a stop signal"
LATE_S = 1.0  # so that a run that was laid out for the end of a wait does not come before it


def as_asked(request: LoopRequest) -> LoopRequest:
    """What a deployed run that goes on by itself does: as the person asked who started the loop."""
    settings = get_settings()
    if deployment.id is None:
        return request
    loop = open_memory(settings.store_url).loops.latest() if settings.has_store else None
    return loop.request if loop is not None else request


@arc_task(name="loop")
def take_turn(config: ArcConfig, request: LoopRequest, *, go_on: bool) -> tuple[Loop, Course]:
    """The loop, and whether a cycle may begin in it: a new one, or with `go_on` the one there is."""
    loops = _memory().loops
    loop = loops.latest() if go_on else None
    if loop is None:
        loop = loops.start(request, since=datetime.now(UTC) - timedelta(seconds=age_s()))
    facts = _facts(config, loop, loops.turns(loop), datetime.now(UTC))
    course = course_of(facts, config.loop)
    if course.goes == "stop":
        loops.end(loop, course.reason)
    take_spares_away()  # from here on a failure lays out the next run itself
    return loop, course


def deadline_of(config: ArcConfig, loop: Loop, max_minutes: float | None) -> float | None:
    """When a cycle that begins now has to end, in the time of unix_s: for its own sake or the loop's."""
    seconds = [] if max_minutes is None else [60 * max_minutes]
    if config.loop.max_hours is not None:
        gone_s = (datetime.now(UTC) - loop.started).total_seconds()
        seconds.append(3600 * config.loop.max_hours - max(0.0, gone_s))
    return unix_s() + min(seconds) if seconds else None


@arc_task(name="what next")
def what_next(context: Context, loop: Loop, begun: Collection[str]) -> tuple[Turn, Course]:
    """How the cycle's turn ends, once it is judged, and what the loop does then. `begun`: what it trained."""
    memory = context.memory
    turn = _turn(context, begun)
    turns = (*memory.loops.turns(loop), turn)
    champion = memory.champion(context.study_id)
    result = champion.outcome.result if champion else None
    estimate = result.metrics.get(context.config.metric) if result else None
    facts = _facts(context.config, loop, turns, turn.ended).model_copy(
        update={
            "champion": estimate.value if estimate else None,
            "champion_cycle": champion.outcome.cycle if champion else 0,
            "vetoed": _vetoed(memory, context, {each.cycle for each in turns}),
        }
    )
    return turn, course_of(facts, context.config.loop)


def may_go_on(context: Context, loop: Loop) -> bool:
    """Whether another cycle would follow, were this one to train now and bring nothing new."""
    turns = context.memory.loops.turns(loop)
    now = Turn(outcome="trained", ended=datetime.now(UTC), cycle=context.cycle.number)
    facts = _facts(context.config, loop, (*turns, now), now.ended)
    return course_of(facts, context.config.loop).goes == "on"


@arc_task(name="end turn")
def end_turn(context: Context, loop: Loop, turn: Turn, course: Course) -> None:
    """Record how it ended, and the loop's end where that follows."""
    context.memory.loops.keep(loop, turn, context.cycle, course)
    if course.until is not None:
        _again(course.until)
    if course.goes == "on":
        lay_out_spare()


def is_mistake(error: Exception) -> bool:
    """Bad input of a person at the command line. What a disk or a database refuses may pass."""
    return deployment.id is None and isinstance(error, BadInput) and not isinstance(error, StoreError)


@arc_task(name="failed turn")
def fail_turn(config: ArcConfig, loop: Loop, error: Exception) -> Course:
    """Record that the cycle failed, and what the loop does then; bad input ends one on the command line."""
    loops = _memory().loops
    turn = Turn(
        outcome="failed", ended=datetime.now(UTC), reason=printable(f"{type(error).__name__}: {error}")
    )
    course = course_of(_facts(config, loop, (*loops.turns(loop), turn), turn.ended), config.loop)
    if is_mistake(error):
        course = Course(goes="stop", reason=turn.reason)
    loops.keep(loop, turn, None, course)
    if course.until is not None:
        _again(course.until)
    return course


def interrupted(loop: Loop) -> None:
    """A signal ends a loop of the command line; a deployed one goes on with the next run."""
    if deployment.id is None:
        _memory().loops.end(loop, SIGNAL)


def wait_for(until: datetime) -> None:
    """Deployed: the next run is laid out for then, though the one before may have done so already."""
    _again(until)


def _again(until: datetime) -> None:
    if deployment.id is None:
        return
    start_at(until + timedelta(seconds=LATE_S), f"loop waits until {until.isoformat()}")


def _memory() -> Memory:
    return open_memory(get_settings().store_url)


def _facts(config: ArcConfig, loop: Loop, turns: tuple[Turn, ...], now: datetime) -> Facts:
    memory, limits = _memory(), config.loop
    spent = memory.calls.spent(since=loop.started)
    return Facts(
        loop=memory.loops.get(loop.id),  # a stop may have been asked for meanwhile
        turns=turns,
        now=now,
        gpu_hours=_gpu_hours(memory, loop, limits),
        tokens=spent.tokens,
        usd=spent.usd,
        metric=config.metric,
    )


def _gpu_hours(memory: Memory, loop: Loop, limits: LoopConfig) -> float:
    return 0.0 if limits.max_gpu_hours is None else memory.leases.gpu_hours(loop.started)


def _turn(context: Context, begun: Collection[str]) -> Turn:
    """What only waits for its verdict, since a cycle before, is none of this one's doing."""
    memory, cycle, ended = context.memory, context.cycle.number, datetime.now(UTC)
    own = (each.id for each in memory.agenda(context.cycle) if each.outcome.cycle == cycle)
    ran = [memory.experiment(each).outcome for each in dict.fromkeys((*own, *begun))]
    ran = [each for each in ran if each.status not in ("stopped", "withdrawn")]
    if not ran:
        return Turn(outcome="idle", ended=ended, cycle=cycle)
    if all(each.status == "failed" for each in ran):
        reason = f"all experiments failed, the first with {printable(ran[0].reason)}"
        return Turn(outcome="failed", ended=ended, cycle=cycle, reason=reason)
    return Turn(outcome="trained", ended=ended, cycle=cycle)


def _vetoed(memory: Memory, context: Context, numbers: set[int | None]) -> int:
    """The loop's latest cycles in a row in which the supervisor let nothing through; no more than count."""
    latest = [each for each in reversed(memory.cycles(context.study_id)) if each.number in numbers]
    ruled = (memory.kept(each.id, Decision) for each in latest[: context.config.loop.vetoed_cycles])
    return sum(1 for _ in takewhile(_all_vetoed, ruled))


def _all_vetoed(decisions: tuple[Decision, ...]) -> bool:
    return bool(decisions) and all(each.ruling.decision == "reject" for each in decisions)
