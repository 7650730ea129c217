"""What becomes of the proposals: the vote and the supervisor decide what runs. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from arc_core.agents.board import BoardConfig
from arc_core.agents.consensus import SIGN, tally
from arc_core.agents.control import slot_taker
from arc_core.experiments.board import (
    Arm,
    Budget,
    Decision,
    Feasibility,
    Proposal,
    Ruling,
    Stance,
    Tally,
    Vote,
)


def decide(
    proposals: Sequence[Proposal],
    *,
    votes: Mapping[str, tuple[Vote, ...]],
    rulings: Iterable[Ruling],
    checks: Iterable[Feasibility],
    budget: Budget,
    config: BoardConfig,
    control_slot: bool = False,
    seed: int = 0,
) -> tuple[Decision, ...]:
    """One decision per proposal, in their order; `selected` ones run.

    Outcome, first match: the supervisor's veto rejects, so does a training that does not fit; a
    supervisor's revise holds an approval back; else the tally. Without a ruling or a check it is a
    reject. Approved proposals are selected by score, then by the weight behind it, then a proposer's
    first choices before its second ones, then by id: first within their category's budget, one for
    each set of axes, so that a cycle does not spend its places on one question; then into the places
    left empty. One more place, with `control_slot`, is the control's or a rejected proposal's, drawn by
    `seed` (`control.slot_taker`); where neither may run, it is the board's.
    """
    ruled = {ruling.proposal_id: ruling for ruling in rulings}
    checked = {check.proposal_id: check for check in checks}
    judged = [
        _decision(
            proposal,
            votes.get(proposal.id, ()),
            ruled.get(proposal.id, _no_ruling(proposal)),
            checked.get(proposal.id, _no_check(proposal)),
            config,
        )
        for proposal in proposals
    ]
    taker = slot_taker(proposals, judged, config.veto_control, seed) if control_slot else None
    of_board = [decision for decision in judged if decision.arm == "board"]
    spare = int(control_slot and taker is None)
    arms: dict[str, Arm] = dict.fromkeys(_selected(proposals, of_board, budget, spare), "board")
    arms |= [taker] if taker else []
    return tuple(decision.model_copy(update=_fate(decision, arms)) for decision in judged)


def _decision(
    proposal: Proposal, votes: tuple[Vote, ...], ruling: Ruling, check: Feasibility, config: BoardConfig
) -> Decision:
    count = tally(votes, config.strategy, config.approval_threshold)
    outcome, reason = _outcome(count, ruling, check)
    return Decision(
        proposal_id=proposal.id,
        outcome=outcome,
        selected=False,
        arm="control" if proposal.proposer == "control" else "board",
        tally=count,
        votes=votes,
        ruling=ruling,
        feasibility=check,
        reason=reason,
    )


def _outcome(count: Tally, ruling: Ruling, check: Feasibility) -> tuple[Stance, str]:
    if ruling.decision == "reject":
        return "reject", f"vetoed by the supervisor: {'; '.join(ruling.reasons)}"
    if not check.runs:
        return "reject", f"cannot run: {'; '.join(check.reasons)}"
    if ruling.decision == "revise" and count.stance == "approve":
        return "revise", f"held back by the supervisor: {'; '.join(ruling.reasons)}"
    return count.stance, count.reason


def _selected(
    proposals: Sequence[Proposal], judged: Sequence[Decision], budget: Budget, spare: int
) -> set[str]:
    category = {proposal.id: proposal.category for proposal in proposals}
    spec = {proposal.id: proposal.spec.id for proposal in proposals}
    places = _places(proposals)
    approved = sorted(
        (decision for decision in judged if decision.outcome == "approve"),
        key=lambda decision: (*_rank(decision), places[decision.proposal_id], decision.proposal_id),
    )
    distinct = {spec[decision.proposal_id]: decision for decision in reversed(approved)}  # the best is kept
    queue = [
        decision.proposal_id for decision in approved if distinct[spec[decision.proposal_id]] is decision
    ]
    axes = {proposal.id: frozenset(proposal.changes) for proposal in proposals}
    room: Counter[str] = Counter(budget.model_dump())
    chosen: dict[str, frozenset[str]] = {}
    for proposal_id in queue:
        if room[category[proposal_id]] > 0 and axes[proposal_id] not in chosen.values():
            room[category[proposal_id]] -= 1
            chosen[proposal_id] = axes[proposal_id]
    left = [proposal_id for proposal_id in queue if proposal_id not in chosen]
    return {*chosen, *left[: room.total() + spare]}


def _places(proposals: Sequence[Proposal]) -> dict[str, int]:
    """How many of its proposer's own proposals of the same category come before each."""
    before: Counter[tuple[str, str]] = Counter()
    places = {}
    for proposal in proposals:
        places[proposal.id] = before[proposal.proposer, proposal.category]
        before[proposal.proposer, proposal.category] += 1
    return places


def _rank(decision: Decision) -> tuple[float, float]:
    support = math.fsum(SIGN.get(vote.stance, 0.0) * vote.weight * vote.confidence for vote in decision.votes)
    return -decision.tally.score, -support


def _fate(decision: Decision, arms: Mapping[str, Arm]) -> dict[str, object]:
    """What changes now that the places are given: `arms` has those that run."""
    arm, why = arms.get(decision.proposal_id), decision.reason
    if arm == "control":
        return {"selected": True, "reason": f"the control, which runs whatever the vote ({why})"}
    if arm == "veto_control":
        reason = f"rejected ({why}), and runs so that it is seen whether that was right"
        return {"selected": True, "arm": arm, "reason": reason}
    if arm or decision.outcome != "approve":
        return {"selected": arm is not None}
    return {"selected": False, "reason": f"approved ({why}), but the cycle's places are taken"}


def _no_ruling(proposal: Proposal) -> Ruling:
    return Ruling(proposal_id=proposal.id, decision="reject", reasons=("the supervisor did not rule",))


def _no_check(proposal: Proposal) -> Feasibility:
    return Feasibility(
        proposal_id=proposal.id, runs=False, seconds=0, memory_mib=0, reasons=("it was not checked",)
    )
