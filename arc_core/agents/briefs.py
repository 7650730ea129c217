"""What each role is asked, and the answers that hold more than one record."""

from pydantic import Field

from arc_core.experiments.board import (
    Compiled,
    Directive,
    Feasibility,
    History,
    Outcome,
    Proposal,
    Review,
    Ruling,
)
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.space import SearchSpace
from arc_core.experiments.spec import ExperimentSpec
from arc_core.record import Record


class RecallBrief(Record):
    """To the historian, who answers with a `History`."""

    metric: str = Field(description="name of the study's primary metric")
    outcomes: tuple[Outcome, ...] = Field(description="every experiment of the study, oldest first")
    parent: ExperimentSpec = Field(description="the champion's spec, or the configured baseline")
    parent_id: str | None = Field(
        None, description="the champion's experiment; None: the configured baseline"
    )
    # What the watchdogs look at.
    proposals_by_cycle: dict[int, tuple[Proposal, ...]] = Field(
        {}, description="the latest cycles before this"
    )
    space: SearchSpace = SearchSpace(axes={})
    baseline: ExperimentSpec | None = Field(None, description="what proposals without a parent change")


class DirectBrief(Record):
    """To the director, who answers with a `Directive` whose budget adds up to `slots`."""

    history: History
    metric: str
    space: SearchSpace
    parent: ExperimentSpec = Field(description="the champion's spec, or the configured baseline")
    parent_id: str | None = Field(
        None, description="the champion's experiment; None: the configured baseline"
    )
    slots: int = Field(3, ge=1, description="experiments this cycle may run")


class ProposeBrief(Record):
    """To the architect, the explorer and the parameter scientist, who answer with `Proposals`."""

    directive: Directive
    history: History
    outcomes: tuple[Outcome, ...] = Field(description="every experiment of the study, oldest first")
    parent: ExperimentSpec = Field(description="the champion's spec, or the configured baseline")
    parent_id: str | None = Field(description="the champion's experiment; None: the configured baseline")
    baseline: ExperimentSpec = Field(description="as configured; proposed itself unless it is in `seen`")
    space: SearchSpace
    losses: frozenset[str] = Field(description="the losses that exist for the task")
    count: int = Field(ge=0, description="proposals wanted; fewer come back when novel ones run out")
    seed: int
    metric: str
    seen: frozenset[str] = Field(frozenset(), description="spec ids never to be proposed again")
    forbidden: tuple[ForbiddenRange, ...] = ()


class Proposals(Record):
    proposals: tuple[Proposal, ...]


class ReviewBrief(Record):
    """To each critic, who answers with `Reviews`; neither sees what the other wrote."""

    proposals: tuple[Proposal, ...]
    metric: str
    parent: ExperimentSpec = Field(description="the champion's spec, or the configured baseline")
    history: History
    directive: Directive
    space: SearchSpace
    losses: frozenset[str]
    forbidden: tuple[ForbiddenRange, ...] = ()


class Reviews(Record):
    reviews: tuple[Review, ...] = Field(description="one per proposal, in the brief's order")


class RuleBrief(Record):
    """To the supervisor, who answers with `Rulings`."""

    proposals: tuple[Proposal, ...]
    reviews: tuple[Review, ...]
    metric: str
    parent: ExperimentSpec = Field(description="the champion's spec, or the configured baseline")
    losses: frozenset[str]
    forbidden: tuple[ForbiddenRange, ...] = ()


class Rulings(Record):
    rulings: tuple[Ruling, ...] = Field(description="one per proposal, in the brief's order")


class News(Record):
    """What may have changed since proposals were approved."""

    parent_id: str | None = Field(description="the champion's experiment; None: there is none")
    baseline_leads: bool = Field(description="the champion's spec is the configured baseline's")
    tried: frozenset[str] = Field(description="ids of the specs that other experiments have")


class CheckBrief(Record):
    """To the executor, who answers with `Checks`. With `news` it is asked of what was approved before."""

    proposals: tuple[Proposal, ...]
    compiled: tuple[Compiled, ...]
    memory_limit_mib: float = Field(gt=0, description="memory one experiment may take on its device")
    seconds_available: float | None = Field(None, description="time one experiment may take; None: no limit")
    news: News | None = None


class Checks(Record):
    checks: tuple[Feasibility, ...] = Field(description="one per proposal, in the brief's order")
