"""What a person's answer makes of the board's decisions. Pure."""

from collections.abc import Mapping, Sequence
from typing import Literal

from arc_core.experiments.board import Decision, Feasibility, Proposal, Ruling, Tally
from arc_core.experiments.limits import violations


def settled(
    decisions: Sequence[Decision],
    *,
    approved: frozenset[str],
    asked: frozenset[str],
    edits: Mapping[str, Decision],
    who: str,
    comment: str,
) -> tuple[Decision, ...]:
    """The decisions after the answer: of what was asked for, only what was approved is selected.

    `approved` and `asked` are ids of proposals; `edits` holds the decision on what was made of one, which
    follows it. A comment is part of every reason given to a person's name.
    """
    after: list[Decision] = []
    said = f": {comment}" if comment else ""
    for decision in decisions:
        id_ = decision.proposal_id
        if id_ in edits:
            runs_as = f"edited by {who}, and runs as {edits[id_].proposal_id}{said}"
            after += [_refused(decision, "revise", runs_as), edits[id_]]
        elif id_ in asked and id_ not in approved:
            after.append(_refused(decision, "reject", f"rejected by {who}{said}"))
        elif id_ in asked:
            reason = f"{decision.reason}; approved by {who}{said}"
            after.append(decision.model_copy(update={"reason": reason}))
        else:
            after.append(decision)
    return tuple(after)


def decision_on_edit(
    proposal: Proposal, check: Feasibility, losses: frozenset[str], *, who: str, comment: str
) -> Decision:
    """A person's approval of their own edit, on which the board has not voted."""
    reason = f"edited and approved by {who}" + (f": {comment}" if comment else "")
    broken = violations(proposal.spec, losses)
    return Decision(
        proposal_id=proposal.id,
        outcome="approve",
        selected=True,
        arm="person",
        tally=Tally(
            stance="approve",
            score=1.0,
            entropy_bits=0.0,
            agreement=1.0,
            controversial=False,
            strategy="person",
            reason=reason,
        ),
        votes=(),
        ruling=Ruling(
            proposal_id=proposal.id,
            decision="approve",
            violations=broken,
            reasons=tuple(map(str, broken)) or ("within every limit",),
        ),
        feasibility=check,
        reason=reason,
    )


def _refused(decision: Decision, outcome: Literal["reject", "revise"], reason: str) -> Decision:
    return decision.model_copy(update={"outcome": outcome, "selected": False, "reason": reason})
