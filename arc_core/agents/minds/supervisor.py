"""The supervisor's model: it may veto what the limits allow, and allow nothing that they don't."""

from arc_core.agents.briefs import RuleBrief, Rulings
from arc_core.agents.minds import digest
from arc_core.agents.minds.answers import RulingSaid, SupervisorSays
from arc_core.agents.minds.critic import SEVERITY, judged
from arc_core.agents.supervisor import overrides
from arc_core.experiments.board import Review, Ruling


def question(brief: RuleBrief, tokens: int) -> str:
    """What the supervisor's model is shown."""
    sections = (
        *digest.task(brief.metric, brief.parent, None),
        digest.proposals(judged(brief.proposals), brief.parent),
        digest.reviews(brief.reviews),
    )
    return digest.fitted(sections, tokens)


def rulings(said: SupervisorSays, brief: RuleBrief, offline: Rulings, mind: str) -> Rulings:
    """The stricter of the limits' word and the model's, proposal by proposal; limits first."""
    by_id: dict[str, RulingSaid] = {}
    for each in said.rulings:
        by_id.setdefault(each.proposal_id, each)
    asked = {each.id for each in judged(brief.proposals)}
    return Rulings(
        rulings=tuple(
            _ruling(by_id[rule.proposal_id], rule, brief, mind)
            if rule.proposal_id in by_id and rule.proposal_id in asked
            else rule
            for rule in offline.rulings
        )
    )


def _ruling(said: RulingSaid, rule: Ruling, brief: RuleBrief, mind: str) -> Ruling:
    if rule.decision != "approve" and SEVERITY[said.decision] <= SEVERITY[rule.decision]:
        return rule
    given: list[Review] = [each for each in brief.reviews if each.proposal_id == rule.proposal_id]
    reasons = tuple(reason for reason in said.reasons if reason) or ("no reason given",)
    return rule.model_copy(
        update={
            "decision": said.decision,
            "overrides_consensus": overrides(said.decision, given),
            "reasons": (*reasons, *map(str, rule.violations)),
            "mind": mind,
        }
    )
