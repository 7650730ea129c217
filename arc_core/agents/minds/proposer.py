"""A proposer's model: changes to the parent, with open values that the optimiser fills."""

from collections.abc import Iterator, Mapping
from itertools import islice

from arc_core.agents.briefs import ProposeBrief
from arc_core.agents.draft import Desk, Idea, Words, fitted
from arc_core.agents.effects import is_number
from arc_core.agents.minds import digest
from arc_core.agents.minds.answers import ProposalSaid, ProposerSays, Within
from arc_core.agents.parameter_scientist import points
from arc_core.experiments.board import Proposal, Role
from arc_core.experiments.metric import Estimate
from arc_core.experiments.space import Choice, Range
from arc_core.experiments.spec import Value
from arc_core.llm.counsel import Counsel

FILLED = 20  # fillings tried before a proposal counts as repeating what was tried

Axes = dict[str, Choice | Range]


def question(brief: ProposeBrief, tokens: int) -> str:
    """What a proposer's model is shown."""
    sections = (
        *digest.task(brief.metric, brief.parent, brief.parent_id),
        ("Wanted", [f"{brief.count} proposals"]),
        digest.directive(brief.directive),
        digest.axes(brief.space, brief.parent, brief.directive.forbidden_axes),
        *digest.past(brief.history, brief.metric, brief.parent),
    )
    return digest.fitted(sections, tokens)


def admitted(
    said: ProposerSays, brief: ProposeBrief, role: Role, mind: str, counsel: Counsel
) -> tuple[Proposal, ...]:
    """Up to `brief.count` of the model's proposals that are novel, in the space and under critical limits.

    The ledger says of each other why it was set aside.
    """
    desk, made = Desk(brief, role), list[Proposal]()
    for each in said.proposals:
        if len(made) == brief.count:
            break
        reason = _fault(each, brief)
        proposal = None if reason else _admitted(each, desk, mind)
        if proposal is not None:
            made.append(proposal)
        else:
            counsel.set_aside(role, mind, f"{each.name}: {reason or desk.refusal}")
    return tuple(made)


def _fault(said: ProposalSaid, brief: ProposeBrief) -> str | None:
    axes = brief.space.axes
    if strangers := sorted(set(said.changes) - set(axes)):
        return f"no such axis: {', '.join(strangers)[:200]}"
    if barred := sorted(set(said.changes) & set(brief.directive.forbidden_axes)):
        return f"barred for this cycle: {', '.join(barred)}"
    for path, value in said.changes.items():
        if _is_open(value) and _narrowed(axes[path], value) is None:
            return f"{path}: nothing of the axis is in that range"
    return None


def _admitted(said: ProposalSaid, desk: Desk, mind: str) -> Proposal | None:
    """The first filling of the open values that is admissible."""
    known = {outcome.experiment_id for outcome in desk.brief.outcomes}
    filled = "the optimiser filled what was left open"
    for changes in islice(_filled(said, desk), FILLED):
        idea = Idea(
            {path: fitted(value, desk.flat.get(path, value), path) for path, value in changes.items()},
            strategy="; ".join(filter(None, (said.strategy, filled if changes != said.changes else ""))),
            rests_on=tuple(each for each in said.rests_on if each in known),
            words=Words(said.name or "unnamed", said.hypothesis, said.justification),
            predicted=Estimate(**said.predicted.model_dump()),
            mind=mind,
        )
        if (proposal := desk.admit(idea, said.category)) is not None:
            return proposal
    return None


def _filled(said: ProposalSaid, desk: Desk) -> Iterator[Mapping[str, Value]]:
    """The changes with every open value suggested by the parameter scientist's optimiser."""
    fixed = {path: value for path, value in said.changes.items() if not _is_open(value)}
    axes: Axes = {}
    for path, value in said.changes.items():
        narrowed = _narrowed(desk.brief.space.axes[path], value) if _is_open(value) else None
        if narrowed is not None:
            axes[path] = narrowed
    if not axes:
        yield fixed  # type: ignore[misc]  # nothing open is left in it
        return
    for point in points(desk, axes):
        yield {**fixed, **point.changes}  # type: ignore[dict-item]


def _is_open(value: Value | Within | None) -> bool:
    return value is None or isinstance(value, Within)


def _narrowed(axis: Choice | Range, value: Value | Within | None) -> Choice | Range | None:
    """What of the axis lies in the range; None where nothing does."""
    if not isinstance(value, Within):
        return axis
    if isinstance(axis, Choice):
        kept = tuple(
            each for each in axis.choices if is_number(each) and value.low <= float(each) <= value.high
        )
        return axis.model_copy(update={"choices": kept}) if kept else None
    low, high = max(axis.low, value.low), min(axis.high, value.high)
    return axis.model_copy(update={"low": low, "high": high}) if low < high else None
