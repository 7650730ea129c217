"""Ideas that were had for another parent, as changes to the present one."""

from collections.abc import Sequence

from arc_core.agents.briefs import ProposeBrief
from arc_core.agents.control import REFUSED
from arc_core.agents.draft import Desk, Idea, Words
from arc_core.experiments.board import OFFLINE, Proposal
from arc_core.experiments.metric import Estimate


def moved(made: Sequence[Proposal], brief: ProposeBrief) -> tuple[Proposal, ...]:
    """The same changes to the brief's parent, in their order, where each is admissible and novel there.

    A model's words stay. What it foretold was of another spec, so nothing is foretold in its name.
    """
    found: list[Proposal] = []
    seen = brief.seen
    for each in made:
        desk = Desk(brief.model_copy(update={"seen": seen}), each.proposer)
        if each.proposer == "control":
            desk = Desk(desk.brief, "control", refused=REFUSED)
        proposal = desk.admit(_idea(each), each.category)
        if proposal is not None:
            found.append(proposal)
            seen |= {proposal.spec.id}
    return tuple(found)


def _idea(made: Proposal) -> Idea:
    model = made.mind != OFFLINE
    return Idea(
        changes=made.changes,
        strategy=made.strategy,
        rests_on=made.rests_on,
        words=Words(made.name, made.hypothesis, made.justification) if model else None,
        predicted=Estimate(value=0.5, low=0, high=1) if model else None,
        mind=made.mind,
    )
