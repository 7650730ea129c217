"""What an experiment's run tells in Prefect's UI: why it was approved, and how it learns."""

from collections.abc import Sequence

from arc_core.experiments.board import Decision, Proposal, Vote
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS
from arc_core.experiments.result import Point
from arc_core.experiments.study import Experiment, Study
from arc_core.report.curve_svg import learning_curve_svg
from arc_core.report.note import Note, note, picture, points, table
from arc_core.report.question import ARMS, STANCES, changed, mind_in_words, plain, time_in_words


def approval_note(memory: Memory, experiment_id: str) -> Note:
    """Who proposed the experiment, what it changes, why it runs, what it may take, and each role's vote."""
    experiment = memory.experiment(experiment_id)
    study = memory.study(experiment.study_id)
    proposal = memory.said_of([experiment_id], Proposal)[experiment_id]
    decision = memory.said_of([experiment_id], Decision)[experiment_id]
    parent = memory.experiment(proposal.parent_id) if proposal.parent_id is not None else None
    return note(
        f"{_name(experiment)}: why it was approved",
        f"\\#{experiment.number}: {plain(decision.reason)}",
        [
            plain(proposal.hypothesis),
            points(_told(study, proposal, decision, parent)),
            *(["## Votes", points(map(_vote, decision.votes))] if decision.votes else []),
        ],
        simulated=study.simulated,
    )


def curve_note(study: Study, experiment: Experiment, curve: Sequence[Point], state: str) -> Note:
    """Its learning curve so far, with the latest losses of each fold. `state`: how far it is."""
    svg = learning_curve_svg(curve)
    result = experiment.outcome.result
    measured = result.metrics.get(study.metric) if result else None
    label = METRICS[study.metric].label
    return note(
        f"{_name(experiment)}: learning curve",
        f"{_number(experiment)}: {plain(state)}" + (f", {label} {plain(str(measured))}" if measured else ""),
        [
            picture("Loss over epochs", svg) if svg else "No epoch has ended yet.",
            f"{label} on held-out patients: **{plain(str(measured))}**" if measured else "",
            table(("fold", "epoch", "training loss", "held-out loss"), _latest(curve)),
        ],
        simulated=study.simulated,
    )


def _name(experiment: Experiment) -> str:
    return f"{_number(experiment)} {plain(experiment.id)}"


def _number(experiment: Experiment) -> str:
    if experiment.repeat_of is not None:
        return f"{plain(experiment.repeat_of)} with another seed"
    return f"\\#{experiment.number}"


def _told(study: Study, proposal: Proposal, decision: Decision, parent: Experiment | None) -> list[str]:
    check, ruling, tally = decision.feasibility, decision.ruling, decision.tally
    over = f"the champion of then, \\#{parent.number} {plain(parent.id)}" if parent else "the baseline"
    before = parent.outcome.spec.flat() if parent else {}
    predicted = f"{METRICS[study.metric].label} {plain(str(proposal.predicted))}"
    return [
        f"**Why:** {plain(decision.reason)}",
        f"**Vote:** score {plain(f'{tally.score:+.2f}')} from -1 to 1, {100 * tally.agreement:.0f} % agree",
        f"**Supervisor {STANCES[ruling.decision]}**{mind_in_words(ruling.mind)}: "
        f"{plain('; '.join(ruling.reasons)) or 'nothing said'}",
        f"**Changes** against {over}: {changed(proposal.changes, before)}",
        f"**Expected:** about {time_in_words(check.seconds)}, {check.memory_mib:,.0f} MiB on its device"
        + (f", {predicted}" if proposal.foretells else ""),
        f"**Proposed by** {plain(proposal.proposer.replace('_', ' '))}{mind_in_words(proposal.mind)} "
        f"to {proposal.category}: {plain(proposal.justification) or 'no reason given'}",
        *([ARMS[decision.arm]] if ARMS[decision.arm] else []),
    ]


def _vote(vote: Vote) -> str:
    role = vote.role.replace("_", " ")
    if vote.stance == "abstain":
        return f"**{role}** abstains"
    why = plain("; ".join(vote.reasons)) or "no reason given"
    return (
        f"**{role} {STANCES[vote.stance]}** (weight {vote.weight:g}, confidence {vote.confidence:g}): {why}"
    )


def _latest(curve: Sequence[Point]) -> list[tuple[str, ...]]:
    """Each fold's last epoch, and the last held-out loss up to it."""
    last = {point.fold: point for point in curve}
    held = {point.fold: point.held_out_loss for point in curve if point.held_out_loss is not None}
    return [
        (str(fold + 1), str(point.epoch), f"{point.train_loss:.4f}", _loss(held.get(fold)))
        for fold, point in sorted(last.items())
    ]


def _loss(loss: float | None) -> str:
    return "–" if loss is None else f"{loss:.4f}"
