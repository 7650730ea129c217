"""The control: a plain draw that the board is compared with, and now and then what the board has rejected."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence

from arc_core.agents.board import ControlArm
from arc_core.agents.briefs import ProposeBrief
from arc_core.agents.draft import Desk, Idea, fitted
from arc_core.agents.parameter_scientist import suggested
from arc_core.experiments.board import OFFLINE, Arm, Budget, Category, Decision, Directive, Proposal, Ruling
from arc_core.experiments.limits import Severity
from arc_core.experiments.space import Choice, Range
from arc_core.experiments.spec import Value

MOST_AXES = 3
REFUSED: frozenset[Severity] = frozenset({"critical", "high"})
GUISES: tuple[Category, ...] = ("explore", "exploit", "wildcat")


def draw_control(brief: ProposeBrief, arm: ControlArm, beside: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """The cycle's control, or none where `arm` is off or nothing novel is left.

    `random`: a uniform draw of one to three axes of the space. `tpe`: the parameter scientist's
    estimator on all its axes. Both start from the brief's parent and heed neither its mode nor its
    axes; no critical or high limit is broken. It carries the commonest category of the proposals it is
    reviewed `beside`, so that it can't be told from them by that.
    """
    if arm == "off":
        return ()
    desk = Desk(_unguided(brief), "control", refused=REFUSED)
    ideas = _uniform(desk) if arm == "random" else suggested(desk)
    common = Counter(proposal.category for proposal in beside if proposal.changes)
    guise = max(GUISES, key=lambda category: common[category])
    drawn = desk.write(("explore",), lambda _: ideas).proposals
    return tuple(proposal.model_copy(update={"category": guise}) for proposal in drawn)


def blinded(proposals: Sequence[Proposal]) -> tuple[Proposal, ...]:
    """As a reviewer sees them: not who proposed what nor how it was found, and in an order that tells
    nothing either."""
    unknown = {"proposer": "withheld", "mind": OFFLINE, "strategy": ""}
    return tuple(
        proposal.model_copy(update=unknown) for proposal in sorted(proposals, key=lambda made: made.id)
    )


def slot_taker(
    proposals: Sequence[Proposal], judged: Sequence[Decision], veto_control: float, seed: int
) -> tuple[str, Arm] | None:
    """Who runs in the control's slot, and as what; None where nobody may.

    With probability `veto_control` it is one that the board has rejected although it fits and breaks no
    limit, drawn uniformly; else the control, unless a limit or the executor keeps it out: were opinions
    to choose among the draws, the board would be compared with its own taste.
    """
    rng = random.Random(f"veto control:{seed}")
    spec = {proposal.id: proposal.spec.id for proposal in proposals}
    approved = {spec[decision.proposal_id] for decision in judged if decision.outcome == "approve"}
    doubted = sorted(
        decision.proposal_id
        for decision in judged
        if _is_mere_opinion(decision) and spec[decision.proposal_id] not in approved
    )
    if rng.random() < veto_control and doubted:
        return rng.choice(doubted), "veto_control"
    for decision in judged:
        admitted = _holds_the_limits(decision.ruling) and decision.feasibility.runs
        if decision.arm == "control" and admitted:
            return decision.proposal_id, "control"
    return None


def _is_mere_opinion(decision: Decision) -> bool:
    """Whether nothing but opinion stands against one of the board's: no limit, failure or lack of room."""
    failed_before = any(vote.role == "historian" and vote.stance == "reject" for vote in decision.votes)
    return (
        decision.arm == "board"
        and decision.outcome == "reject"
        and decision.feasibility.runs
        and _holds_the_limits(decision.ruling)
        and not failed_before
    )


def _holds_the_limits(ruling: Ruling) -> bool:
    """A model's veto that names no limit is an opinion too; without a model, the ruling is missing."""
    grave = any(violation.severity in REFUSED for violation in ruling.violations)
    return ruling.decision == "approve" or (ruling.mind != OFFLINE and not grave)


def _unguided(brief: ProposeBrief) -> ProposeBrief:
    """The same parent and past, one change to make, and no word from the director."""
    directive = Directive(
        mode="explore", objective="a plain draw", budget=Budget(exploit=0, explore=1, wildcat=0)
    )
    seen = brief.seen | {brief.baseline.id}  # the baseline is the board's to propose
    return brief.model_copy(update={"directive": directive, "count": 1, "seen": seen})


def _uniform(desk: Desk) -> Iterator[Idea]:
    """Endless draws: how many axes, which, and a value of each other than the parent's."""
    rng = random.Random(f"control:{desk.brief.seed}")
    axes = {path: axis for path, axis in desk.axes.items() if _others(axis, desk.flat[path])}
    while axes:
        paths = rng.sample(list(axes), min(len(axes), rng.randint(1, MOST_AXES)))
        if "loss.name" in paths:  # another loss brings its own parameters
            paths = [path for path in paths if not path.startswith("loss.params.")]
        yield Idea({path: _drawn(axes[path], desk.flat[path], path, rng) for path in paths}, "uniform draw")


def _drawn(axis: Choice | Range, current: Value, path: str, rng: random.Random) -> Value:
    if isinstance(axis, Choice):
        return rng.choice(_others(axis, current))
    return fitted(axis.draw(rng), current, path)


def _others(axis: Choice | Range, current: Value) -> Sequence[Value]:
    """A choice's values other than the current one; a range always has some."""
    if isinstance(axis, Choice):
        return [value for value in axis.choices if value != current]
    return (axis.low, axis.high)
