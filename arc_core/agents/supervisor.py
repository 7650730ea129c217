"""The supervisor: holds the safety limits, whatever the others say."""

from arc_core.agents.briefs import RuleBrief, Rulings
from arc_core.experiments.board import Proposal, Review, Role, Ruling, Stance
from arc_core.experiments.limits import Violation, violations


class Supervisor:
    role: Role = "supervisor"

    def answer(self, brief: RuleBrief) -> Rulings:
        return Rulings(rulings=tuple(_ruling(proposal, brief) for proposal in brief.proposals))


def _ruling(proposal: Proposal, brief: RuleBrief) -> Ruling:
    broken = violations(proposal.spec, brief.losses, brief.forbidden)
    decision = _stance(broken)
    reviews = [review for review in brief.reviews if review.proposal_id == proposal.id]
    return Ruling(
        proposal_id=proposal.id,
        decision=decision,
        violations=broken,
        overrides_consensus=overrides(decision, reviews),
        reasons=tuple(map(str, broken)) or ("within every limit",),
    )


def _stance(broken: tuple[Violation, ...]) -> Stance:
    """By the worst violation: critical is vetoed, high must be revised."""
    worst = broken[0].severity if broken else None
    if worst == "critical":
        return "reject"
    return "revise" if worst == "high" else "approve"


def overrides(decision: Stance, reviews: list[Review]) -> bool:
    """Whether the critics agree on something else."""
    stances = {review.decision for review in reviews}
    return len(stances) == 1 and decision not in stances


MIND = Supervisor()
