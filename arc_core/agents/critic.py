"""The critic: limits, risk, and how near a proposal comes to what has failed."""

from arc_core.agents.briefs import ReviewBrief, Reviews
from arc_core.agents.distance import distance
from arc_core.agents.draft import EXPLOIT_AXES
from arc_core.agents.effects import differing, estimate_of
from arc_core.agents.forbidden import failure_in_words
from arc_core.agents.forecast import chance_of_gain
from arc_core.experiments.board import Outcome, Proposal, Review, Risk, Role, Stance
from arc_core.experiments.limits import Violation, violations
from arc_core.experiments.metric import Estimate
from arc_core.experiments.spec import Value

NEAR = 0.25  # a quarter of one axis away from a failure
BOLD_AXES = 3


class Critic:
    role: Role = "critic"

    def answer(self, brief: ReviewBrief) -> Reviews:
        failed = [outcome for outcome in brief.history.recent_experiments if outcome.status == "failed"]
        return Reviews(reviews=tuple(_review(proposal, brief, failed) for proposal in brief.proposals))


def _review(proposal: Proposal, brief: ReviewBrief, failed: list[Outcome]) -> Review:
    if proposal.spec.id in brief.history.failed_configs:
        return _written(proposal, "reject", 1.0, "critical", ("this very spec has failed before",))
    broken = violations(proposal.spec, brief.losses, brief.forbidden)
    grave = [violation for violation in broken if violation.severity != "medium"]
    if grave:
        return _over_limits(proposal, brief, grave)
    near = _nearest(proposal, brief, failed)
    if near is not None:
        reason = f"lies close to {near.experiment_id}, which failed: {failure_in_words(near.reason)}"
        return _written(proposal, "revise", 0.8, "high", (reason,), _retreat(proposal, brief, near))
    axes = len(proposal.changes)
    if brief.directive.mode == "exploit" and axes > EXPLOIT_AXES:
        reason = f"changes {axes} axes; exploiting changes at most {EXPLOIT_AXES}"
        return _written(proposal, "revise", 0.9, "medium", (reason,))
    return _approved(proposal, brief, broken)


def _approved(proposal: Proposal, brief: ReviewBrief, broken: tuple[Violation, ...]) -> Review:
    """The surer, the nearer the parent and the likelier a gain: 0.5 to 0.95; a baseline is owed a run."""
    axes = len(proposal.changes)
    if axes == 0:
        return _written(proposal, "approve", 1.0, "low", ("nothing can be judged without the baseline",))
    chance = chance_of_gain(proposal.predicted, brief.metric, _parent_value(proposal, brief))
    confidence = max(0.5, 0.75 + 0.2 * chance - 0.05 * (axes - 1))
    reasons = (
        f"{axes} ax{'is' if axes == 1 else 'es'} from the parent, chance of a gain {chance:.0%}",
        *map(str, broken),
    )
    risk: Risk = "medium" if broken or axes > BOLD_AXES else "low"
    return _written(proposal, "approve", round(confidence, 3), risk, reasons)


def _over_limits(proposal: Proposal, brief: ReviewBrief, grave: list[Violation]) -> Review:
    """Suggests the parent's value wherever the proposal's own breaks a limit."""
    inherited = brief.parent.flat()
    back = {v.path: inherited[v.path] for v in grave if inherited.get(v.path, v.value) != v.value}
    reasons = tuple(map(str, grave))
    if grave[0].severity == "critical":
        return _written(proposal, "reject", 1.0, "critical", reasons, back)
    return _written(proposal, "revise", 0.9, "high", reasons, back)


def _nearest(proposal: Proposal, brief: ReviewBrief, failed: list[Outcome]) -> Outcome | None:
    """The closest failure within a quarter step, unless the parent itself is as close and runs."""
    axes, flat, inherited = brief.space.active(proposal.spec), proposal.spec.flat(), brief.parent.flat()
    near: tuple[float, Outcome] | None = None
    for outcome in failed:
        other = outcome.spec.flat()
        if outcome.spec.loss.name != proposal.spec.loss.name:
            continue
        away = distance(axes, flat, other)
        if away < min(NEAR, distance(axes, inherited, other)) and (near is None or away < near[0]):
            near = away, outcome
    return near[1] if near else None


def _retreat(proposal: Proposal, brief: ReviewBrief, near: Outcome) -> dict[str, Value]:
    """The parent's values on the changed axes that the failure shared or came close to."""
    with_failure = differing(near.spec.flat(), brief.parent.flat())
    inherited = brief.parent.flat()
    return {path: inherited[path] for path in proposal.changes if path in with_failure and path in inherited}


def _parent_value(proposal: Proposal, brief: ReviewBrief) -> Estimate | None:
    for outcome in brief.history.recent_experiments:
        if outcome.experiment_id == proposal.parent_id:
            return estimate_of(outcome, brief.metric)
    return None


def _written(
    proposal: Proposal,
    decision: Stance,
    confidence: float,
    risk: Risk,
    reasons: tuple[str, ...],
    suggested: dict[str, Value] | None = None,
) -> Review:
    return Review(
        proposal_id=proposal.id,
        reviewer="critic",
        decision=decision,
        confidence=confidence,
        risk=risk,
        reasons=reasons,
        suggested_changes=suggested or {},
    )


MIND = Critic()
