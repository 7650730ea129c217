"""A critic's model: its judgement of each proposal, never softer than what the rules say."""

from typing import Literal

from arc_core.agents.briefs import ReviewBrief, Reviews
from arc_core.agents.minds import digest
from arc_core.agents.minds.answers import CriticSays, ReviewSaid
from arc_core.experiments.board import Proposal, Review, Stance

SEVERITY: dict[Stance, int] = {"approve": 0, "revise": 1, "reject": 2}


def question(brief: ReviewBrief, tokens: int) -> str:
    """What a critic's model is shown: the brief only, so neither critic sees the other."""
    sections = (
        *digest.task(brief.metric, brief.parent, None),
        digest.proposals(judged(brief.proposals), brief.parent),
        digest.directive(brief.directive),
        *digest.past(brief.history, brief.metric, brief.parent),
        digest.axes(brief.space, brief.parent),
    )
    return digest.fitted(sections, tokens)


def judged(proposals: tuple[Proposal, ...]) -> tuple[Proposal, ...]:
    """What a model is asked about: the baseline is owed a run, whatever anyone thinks of it."""
    return tuple(each for each in proposals if each.changes)


def reviews(said: CriticSays, brief: ReviewBrief, offline: Reviews, mind: str) -> Reviews:
    """The model's review of each proposal where it has one, else the offline one.

    Where a rule speaks against a proposal, the model may only be stricter.
    """
    by_id: dict[str, ReviewSaid] = {}
    for each in said.reviews:
        by_id.setdefault(each.proposal_id, each)
    asked = {each.id for each in judged(brief.proposals)}
    axes = frozenset(brief.space.axes)
    return Reviews(
        reviews=tuple(
            _review(by_id[rule.proposal_id], rule, axes, mind)
            if rule.proposal_id in by_id and rule.proposal_id in asked
            else rule
            for rule in offline.reviews
        )
    )


def _review(said: ReviewSaid, rule: Review, axes: frozenset[str], mind: str) -> Review:
    if rule.decision != "approve" and SEVERITY[said.decision] <= SEVERITY[rule.decision]:
        return rule
    reviewer: Literal["critic", "critic_secondary"] = rule.reviewer
    return Review(
        proposal_id=rule.proposal_id,
        reviewer=reviewer,
        decision=said.decision,
        confidence=said.confidence,
        risk=said.risk,
        reasons=tuple(reason for reason in said.reasons if reason) or ("no reason given",),
        suggested_changes={path: value for path, value in said.suggested_changes.items() if path in axes},
        mind=mind,
    )
