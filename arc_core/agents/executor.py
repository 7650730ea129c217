"""The executor's check: does the spec compile, does its training fit, does what it rests on still hold."""

from arc_core.agents.briefs import CheckBrief, Checks, News
from arc_core.experiments.board import Compiled, Feasibility, Proposal, Role
from arc_core.experiments.limits import MAX_PARAMETERS


class Executor:
    role: Role = "executor"

    def answer(self, brief: CheckBrief) -> Checks:
        compiled = {plan.proposal_id: plan for plan in brief.compiled}
        return Checks(
            checks=tuple(_check(proposal, compiled.get(proposal.id), brief) for proposal in brief.proposals)
        )


def _check(proposal: Proposal, plan: Compiled | None, brief: CheckBrief) -> Feasibility:
    if plan is None or plan.error is not None:
        reason = "was not compiled" if plan is None else f"does not compile: {plan.error}"
        return Feasibility(proposal_id=proposal.id, runs=False, seconds=0, memory_mib=0, reasons=(reason,))
    faults = _faults(plan, brief) + _outdated(proposal, brief.news)
    fits = f"fits: {plan.parameters:,} parameters, {plan.memory_mib:.0f} MiB, {plan.seconds:.0f} s"
    return Feasibility(
        proposal_id=proposal.id,
        runs=not faults,
        seconds=plan.seconds,
        memory_mib=plan.memory_mib,
        reasons=faults or (fits,),
    )


def _faults(plan: Compiled, brief: CheckBrief) -> tuple[str, ...]:
    """Everything that does not fit. Written so that a NaN never fits."""
    faults = []
    if not plan.parameters <= MAX_PARAMETERS:
        faults.append(f"has {plan.parameters:,} parameters, at most {MAX_PARAMETERS:,} are allowed")
    if not plan.memory_mib <= brief.memory_limit_mib:
        faults.append(f"needs {plan.memory_mib:.0f} MiB, {brief.memory_limit_mib:.0f} MiB are there")
    available = float("inf") if brief.seconds_available is None else brief.seconds_available
    if not plan.seconds <= available:
        faults.append(f"needs {plan.seconds:.0f} s, {available:.0f} s are left")
    return tuple(faults)


def _outdated(proposal: Proposal, news: News | None) -> tuple[str, ...]:
    """What a proposal rested on that has changed. The baseline changes no champion, so it rests on none."""
    if news is None:
        return ()
    faults = []
    if proposal.spec.id in news.tried:
        faults.append("was tried meanwhile")
    moved = proposal.parent_id != news.parent_id and not (proposal.parent_id is None and news.baseline_leads)
    if proposal.changes and moved:
        before, now = proposal.parent_id or "the baseline", news.parent_id or "the baseline"
        faults.append(f"changes {before}, which {now} has replaced as champion")
    return tuple(faults)


MIND = Executor()
