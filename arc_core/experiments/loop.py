"""The rules of the loop: after a cycle it goes on, waits, or stops, and says why. Pure."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Literal

from pydantic import Field

from arc_core.experiments.metric import METRICS
from arc_core.record import Record


class LoopConfig(Record):
    """The Hydra group `loop`: what ends it, each counted since it was started; None: no such limit."""

    max_hours: float | None = Field(None, gt=0, description="of wall-clock time")
    max_gpu_hours: float | None = Field(None, gt=0, description="GPUs held by trainings × hours")
    max_tokens: int | None = Field(None, ge=1, description="prompts and answers of language models")
    max_usd: float | None = Field(None, gt=0, description="paid for language models")
    target: float | None = Field(None, ge=0, le=1, description="of the champion's primary metric")
    patience: int | None = Field(None, ge=1, description="cycles without a new champion")
    vetoed_cycles: int = Field(3, ge=1, le=100, description="in a row with every proposal vetoed")
    idle_cycles: int = Field(3, ge=1, le=100, description="in a row that could train nothing")
    same_failures: int = Field(3, ge=1, le=100, description="in a row for the same reason")
    backoff_s: float = Field(60.0, ge=0, le=86_400, description="wait after a failure; doubles each time")
    backoff_max_s: float = Field(3600.0, ge=0, le=604_800)
    ahead: bool = Field(
        True, description="plan the next cycle while this one trains, and begin its trainings"
    )


class LoopRequest(Record):
    """What a person asked for: a run that goes on by itself does the same."""

    task: str | None = None
    data: str | None = None
    overrides: tuple[str, ...] = ()
    max_minutes: float | None = None
    max_cycles: int | None = Field(None, ge=1)


class Loop(Record):
    """From a person's start to the end, for which `reason` is the explanation."""

    id: int
    request: LoopRequest
    started: datetime
    stop_asked: datetime | None = None
    ended: datetime | None = None
    reason: str = ""


class Turn(Record):
    """One pass of the loop. `cycle` is its number, None where it failed before or without closing one."""

    outcome: Literal["trained", "idle", "failed"]
    ended: datetime
    cycle: int | None = None
    reason: str = ""


class Facts(Record):
    """What the store knows of a loop; `turns` oldest first."""

    loop: Loop
    turns: tuple[Turn, ...] = ()
    now: datetime
    gpu_hours: float = 0.0
    tokens: int = 0
    usd: float = 0.0
    metric: str
    champion: float | None = Field(None, description="value of the primary metric")
    champion_cycle: int = Field(0, description="number of the cycle that approved it")
    vetoed: int = Field(0, description="latest cycles in a row with every proposal vetoed")


class Course(Record):
    """What the loop does next. `until` is set where it waits."""

    goes: Literal["on", "wait", "stop"]
    reason: str = ""
    until: datetime | None = None

    @property
    def words(self) -> str:
        """One sentence, for people."""
        reason = self.reason.removesuffix(".")  # a failure's own words may end in one
        if self.until is not None:
            return f"The loop waits until {self.until.astimezone():%Y-%m-%d %H:%M:%S}: {reason}."
        return f"The loop stops: {reason}." if self.goes == "stop" else "The loop goes on."


def course_of(facts: Facts, limits: LoopConfig) -> Course:
    """The first rule that ends the loop, else the wait after a failure, else on."""
    for rule in RULES:
        if reason := rule(facts, limits):
            return Course(goes="stop", reason=reason)
    until = _backed_off(facts, limits)
    if until is not None and facts.now <= until:
        reason = f"{_counted(len(_failures(facts)), 'failed cycle')} in a row, {facts.turns[-1].reason}"
        return Course(goes="wait", reason=reason, until=until)
    return Course(goes="on")


def _ended(facts: Facts, limits: LoopConfig) -> str | None:
    return facts.loop.reason if facts.loop.ended else None


def _failing(facts: Facts, limits: LoopConfig) -> str | None:
    """The same reason so many times in a row; or the only cycle that was asked for."""
    failures = _failures(facts)
    if not failures:
        return None
    last = failures[0]
    if facts.loop.request.max_cycles == 1 and last.cycle is None:
        return f"the one cycle asked for has failed, {last.reason}"
    same = sum(1 for _ in takewhile(lambda turn: _kind(turn) == _kind(last), failures))
    if same < limits.same_failures:
        return None
    return (
        f"{_counted(same, 'cycle')} in a row failed for the same reason, {last.reason}. Mend that, "
        "then start the loop again"
    )


def _asked(facts: Facts, limits: LoopConfig) -> str | None:
    return "a stop was asked for" if facts.loop.stop_asked else None


def _cycles(facts: Facts, limits: LoopConfig) -> str | None:
    most = facts.loop.request.max_cycles
    if most is None or len(_closed(facts)) < most:
        return None
    return "the one cycle asked for is done" if most == 1 else f"all {most} cycles asked for are done"


def _hours(facts: Facts, limits: LoopConfig) -> str | None:
    hours = (facts.now - facts.loop.started).total_seconds() / 3600
    return _spent("hours", hours, limits.max_hours)


def _gpu_hours(facts: Facts, limits: LoopConfig) -> str | None:
    return _spent("GPU-hours", facts.gpu_hours, limits.max_gpu_hours)


def _tokens(facts: Facts, limits: LoopConfig) -> str | None:
    return _spent("tokens", facts.tokens, limits.max_tokens)


def _usd(facts: Facts, limits: LoopConfig) -> str | None:
    return _spent("US dollars", facts.usd, limits.max_usd)


def _target(facts: Facts, limits: LoopConfig) -> str | None:
    metric = METRICS[facts.metric]
    if limits.target is None or facts.champion is None or metric.is_better(limits.target, facts.champion):
        return None
    return f"the target is reached, {metric.label} {facts.champion:.3f} of {limits.target:g}"


def _patience(facts: Facts, limits: LoopConfig) -> str | None:
    stale = sum(number > facts.champion_cycle for number in _closed(facts))
    if limits.patience is None or stale < limits.patience:
        return None
    return f"{_counted(stale, 'cycle')} in a row brought no new champion"


def _vetoed(facts: Facts, limits: LoopConfig) -> str | None:
    if facts.vetoed < limits.vetoed_cycles:
        return None
    return (
        f"the supervisor halts it, having vetoed every proposal of the last {_counted(facts.vetoed, 'cycle')}"
    )


def _idle(facts: Facts, limits: LoopConfig) -> str | None:
    """Where cycles have to end in time, less will fit into the next; else it may do better than this one."""
    idle = sum(1 for _ in takewhile(lambda turn: turn.outcome == "idle", reversed(facts.turns)))
    if idle < (1 if facts.loop.request.max_minutes else limits.idle_cycles):
        return None
    return f"the last {'one' if idle == 1 else f'{idle} cycles'} could train nothing"


RULES: tuple[Callable[[Facts, LoopConfig], str | None], ...] = (
    _ended,
    _failing,
    _asked,
    _vetoed,
    _idle,
    _cycles,
    _hours,
    _gpu_hours,
    _tokens,
    _usd,
    _target,
    _patience,
)


def _backed_off(facts: Facts, limits: LoopConfig) -> datetime | None:
    """None also where the clock was set back since: how much of the wait is over can't be told any more."""
    failures = _failures(facts)
    if not failures or facts.now < failures[0].ended:
        return None
    doubled = limits.backoff_s * 2.0 ** min(len(failures) - 1, 64)
    wait = timedelta(seconds=min(doubled, limits.backoff_max_s))
    return failures[0].ended + wait


def _failures(facts: Facts) -> list[Turn]:
    """Those since the last that did not fail, latest first."""
    return list(takewhile(lambda turn: turn.outcome == "failed", reversed(facts.turns)))


def _kind(turn: Turn) -> str:
    """The reason without ids and figures, which differ each time."""
    return re.sub(r"[0-9a-f]*\d[0-9a-f]*", "#", turn.reason)


def _closed(facts: Facts) -> set[int]:
    """A cycle that failed and was taken up again counts once."""
    return {turn.cycle for turn in facts.turns if turn.cycle is not None}


def _spent(unit: str, spent: float, most: float | None) -> str | None:
    return f"the budget of {most:g} {unit} is spent" if most is not None and spent >= most else None


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
