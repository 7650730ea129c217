"""Every role's vote on every proposal, from what each has written."""

from collections.abc import Iterable, Mapping

from arc_core.agents.draft import EXPLOIT_AXES
from arc_core.experiments.board import (
    Directive,
    Feasibility,
    History,
    Proposal,
    Review,
    Role,
    Ruling,
    Stance,
    Vote,
)

CONFIDENCE: dict[Stance, float] = {"approve": 0.9, "revise": 0.9, "reject": 1.0}


def collect(
    proposals: Iterable[Proposal],
    *,
    history: History,
    directive: Directive,
    reviews: Iterable[Review],
    rulings: Iterable[Ruling],
    checks: Iterable[Feasibility],
    weights: Mapping[Role, float],
) -> dict[str, tuple[Vote, ...]]:
    """Proposal id → the votes on it. A role that wrote nothing on a proposal has no vote there.

    A proposer abstains on its own work, and offline proposers leave each other's to the critics.
    """
    reviewed: dict[str, list[Review]] = {}
    for review in reviews:
        reviewed.setdefault(review.proposal_id, []).append(review)
    ruled = {ruling.proposal_id: ruling for ruling in rulings}
    checked = {check.proposal_id: check for check in checks}
    failed = frozenset(history.failed_configs)
    votes = {}
    for proposal in proposals:
        cast = [
            _historian(proposal, failed, weights),
            _director(proposal, directive, weights),
            *_proposer(proposal, weights),
            *(_critic(review, weights) for review in reviewed.get(proposal.id, ())),
        ]
        if proposal.id in ruled:
            cast.append(_supervisor(ruled[proposal.id], weights))
        if proposal.id in checked:
            cast.append(_executor(checked[proposal.id], weights))
        votes[proposal.id] = tuple(cast)
    return votes


def _historian(proposal: Proposal, failed: frozenset[str], weights: Mapping[Role, float]) -> Vote:
    again = proposal.spec.id in failed
    return Vote(
        role="historian",
        stance="reject" if again else "abstain",
        weight=weights["historian"],
        confidence=1.0,
        reasons=("equals a spec that failed",) if again else (),
    )


def _director(proposal: Proposal, directive: Directive, weights: Mapping[Role, float]) -> Vote:
    stance, confidence, reason = _direction(proposal, directive)
    return Vote(
        role="director",
        stance=stance,
        weight=weights["director"],
        confidence=confidence,
        reasons=(reason,),
    )


def _direction(proposal: Proposal, directive: Directive) -> tuple[Stance, float, str]:
    axes = set(proposal.changes)
    barred = sorted(axes & set(directive.forbidden_axes))
    if proposal.category == "wildcat" and directive.mode == "exploit":
        return "reject", 1.0, "a wildcat while exploiting"
    if barred:
        return "reject", 0.9, f"touches {', '.join(barred)}, barred for this cycle"
    if directive.mode == "exploit" and len(axes) > EXPLOIT_AXES:
        return "revise", 0.9, f"exploiting changes at most {EXPLOIT_AXES} axes"
    focus = sorted(axes & set(directive.focus_axes))
    if focus:
        return "approve", 0.9, f"in focus: {', '.join(focus)}"
    return "approve", 0.7, f"in keeping with the mode, {directive.mode}"


def _proposer(proposal: Proposal, weights: Mapping[Role, float]) -> tuple[Vote, ...]:
    """Its proposer's abstention; what no role has proposed is nobody's."""
    role = proposal.proposer
    if role == "control" or role == "person" or role == "withheld":
        return ()
    own = ("its own proposal",)
    return (Vote(role=role, stance="abstain", weight=weights[role], confidence=1.0, reasons=own),)


def _critic(review: Review, weights: Mapping[Role, float]) -> Vote:
    return Vote(
        role=review.reviewer,
        stance=review.decision,
        weight=weights[review.reviewer],
        confidence=review.confidence,
        reasons=review.reasons,
    )


def _supervisor(ruling: Ruling, weights: Mapping[Role, float]) -> Vote:
    return Vote(
        role="supervisor",
        stance=ruling.decision,
        weight=weights["supervisor"],
        confidence=CONFIDENCE[ruling.decision],
        reasons=ruling.reasons,
    )


def _executor(check: Feasibility, weights: Mapping[Role, float]) -> Vote:
    stance: Stance = "approve" if check.runs else "reject"
    return Vote(
        role="executor",
        stance=stance,
        weight=weights["executor"],
        confidence=CONFIDENCE[stance],
        reasons=check.reasons,
    )
