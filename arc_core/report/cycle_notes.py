"""What a cycle's run tells in Prefect's UI: what it trains and why, who is champion, what it costs."""

from collections.abc import Sequence
from datetime import UTC, datetime

from arc_core.agents import wording
from arc_core.experiments.board import Decision, Directive, Proposal
from arc_core.experiments.loop import Loop, LoopConfig
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Cycle, Experiment, Study
from arc_core.report.costs import duration
from arc_core.report.note import Note, moment, note, points, table
from arc_core.report.question import mind_in_words, plain, time_in_words
from arc_core.report.summary import changes_in_words, spec_in_words


def plan_note(memory: Memory, study: Study, cycle: Cycle) -> Note:
    """What the cycle will train and why, what is left from before, and what the board did not select."""
    proposals = {proposal.id: proposal for proposal in memory.kept(cycle.id, Proposal)}
    decisions = memory.kept(cycle.id, Decision)
    directives = memory.kept(cycle.id, Directive)
    agenda = memory.agenda(cycle)
    left = [experiment for experiment in agenda if experiment.outcome.cycle != cycle.number]
    runs = {experiment.proposal_id: experiment for experiment in agenda}
    selected = [each for each in decisions if each.proposal_id in runs]
    others = [each for each in decisions if each.proposal_id not in runs]
    late = [each for each in others if each.outcome == "approve"]
    refused = [each for each in others if each.outcome != "approve"]
    counts = f"{len(selected)} to train, {len(left)} left from before, {len(others)} set aside"
    return note(
        f"Plan of cycle {cycle.number}",
        f"Cycle {cycle.number}: {counts}",
        [
            *(_directive(directive) for directive in directives[:1]),
            _section(
                "To be trained",
                [_planned(runs[d.proposal_id], proposals[d.proposal_id], d) for d in selected],
            ),
            _section("Left from earlier cycles, and taken up again", _left(memory, left)),
            _section(
                "Approved, but without a place", [_set_aside(proposals[d.proposal_id], d) for d in late]
            ),
            _section("Not approved", [_set_aside(proposals[d.proposal_id], d) for d in refused]),
        ],
        simulated=study.simulated,
    )


def champion_note(memory: Memory, study: Study, baseline: ExperimentSpec) -> Note:
    """The champion, since when, its metrics, its spec against the baseline, and whom it replaced."""
    champion = memory.champion(study.id)
    label = METRICS[study.metric].label
    if champion is None:
        line = f"No champion yet: no experiment of {study.id} has been accepted"
        return note("The champion", line, [f"{line}."], simulated=study.simulated)
    result = champion.outcome.result
    measured = result.metrics if result else {}
    since = f"since cycle {champion.outcome.cycle}, {moment(champion.ended)}"
    value = plain(str(measured[study.metric])) if study.metric in measured else "not measured"
    proposal = memory.said_of([champion.id], Proposal)[champion.id]
    return note(
        f"The champion: \\#{champion.number} {plain(champion.id)}",
        f"\\#{champion.number}, {label} {value}, {since}",
        [
            f"{label} **{value}**, {since}. {plain(proposal.hypothesis.rstrip('.'))}.",
            _replaced(memory, study, champion),
            f"**Spec:** {plain(spec_in_words(champion.outcome.spec))}",
            "## Against the configured baseline",
            _differences(baseline, champion.outcome.spec) or "It is the baseline.",
            "## Measured on held-out patients",
            table(
                ("metric", "value [95 %]"),
                [(METRICS[name].label, plain(str(estimate))) for name, estimate in measured.items()],
            ),
        ],
        simulated=study.simulated,
    )


def costs_note(memory: Memory, study: Study, cycle: Cycle, loop: Loop, limits: LoopConfig) -> Note:
    """GPU-hours by leases, and what language models took, of the cycle and of its loop, against budgets."""
    now = datetime.now(UTC)
    began = next((each.started for each in memory.cycles(study.id) if each.id == cycle.id), None) or now
    own, all_ = memory.calls.spent(cycle.id), memory.calls.spent(since=loop.started)
    own_gpu, all_gpu = memory.leases.gpu_hours(began), memory.leases.gpu_hours(loop.started)
    own_s, all_s = (now - began).total_seconds(), (now - loop.started).total_seconds()
    unpriced = sum(call.cost_usd is None for call in memory.calls.of_cycle(cycle.id))
    rows = [
        (
            "time",
            duration(own_s / 3600),
            duration(all_s / 3600),
            _budget(limits.max_hours, all_s / 3600, "h"),
        ),
        ("GPU-hours", f"{own_gpu:.2f}", f"{all_gpu:.2f}", _budget(limits.max_gpu_hours, all_gpu, "")),
        ("tokens", f"{own.tokens:,}", f"{all_.tokens:,}", _budget(limits.max_tokens, all_.tokens, "")),
        ("US dollars", f"{own.usd:.2f}", f"{all_.usd:.2f}", _budget(limits.max_usd, all_.usd, "")),
        ("model calls", str(own.calls), str(all_.calls), "–"),
    ]
    return note(
        "What it costs",
        f"{all_gpu:.2f} GPU-hours, {all_.tokens:,} tokens, {all_.usd:.2f} US dollars in this loop",
        [
            table(("", f"cycle {cycle.number} so far", "loop so far", "budget of the loop"), rows),
            f"As of {moment(now)}. The loop was started on {moment(loop.started)}.",
            "GPU-hours are those for which trainings hold GPUs, by their leases. On the CPU there are none.",
            f"Calls of this cycle without a known price, which count as nothing: {unpriced}."
            if unpriced
            else "",
        ],
        simulated=study.simulated,
    )


def _directive(directive: Directive) -> str:
    notes = plain(directive.notes.rstrip("."))
    return (
        f"The director{mind_in_words(directive.mind)} wants to **{directive.mode}**: "
        f"{plain(directive.objective.rstrip('.'))}." + (f" Its reason: {notes}." if notes else "")
    )


def _section(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n{points(lines)}" if lines else ""


def _planned(experiment: Experiment, proposal: Proposal, decision: Decision) -> str:
    check = decision.feasibility
    changes = plain(changes_in_words(proposal)) if proposal.changes else "changes nothing: the baseline"
    return (
        f"**\\#{experiment.number} {plain(experiment.id)}**: {plain(proposal.hypothesis)}\n"
        f"  - {changes}; by {plain(proposal.proposer.replace('_', ' '))}"
        f"{mind_in_words(proposal.mind)}, about {time_in_words(check.seconds)}, "
        f"{check.memory_mib:,.0f} MiB\n"
        f"  - why: {plain(decision.reason)}"
    )


def _left(memory: Memory, left: Sequence[Experiment]) -> list[str]:
    proposals = memory.said_of([experiment.id for experiment in left], Proposal)
    return [
        f"**\\#{each.number} {plain(each.id)}** of cycle {each.outcome.cycle}, {each.outcome.status}: "
        f"{plain(proposals[each.id].hypothesis)}"
        for each in left
    ]


def _set_aside(proposal: Proposal, decision: Decision) -> str:
    said = "" if decision.outcome == "approve" else f"{decision.outcome}: "
    return f"{plain(proposal.hypothesis)}\n  - {said}{plain(decision.reason)}"


def _replaced(memory: Memory, study: Study, champion: Experiment) -> str:
    (verdict,) = memory.verdicts(study.id, [champion.id])
    if verdict.champion_id is None:
        return "It is the first champion of its study."
    before = memory.experiment(verdict.champion_id)
    return (
        f"It replaced **\\#{before.number} {plain(before.id)}** of cycle {before.outcome.cycle}: "
        f"{plain(verdict.reason.rstrip('.'))}."
    )


def _differences(baseline: ExperimentSpec, spec: ExperimentSpec) -> str:
    before, after = baseline.flat(), spec.flat()
    return table(
        ("", "baseline", "champion"),
        [
            (wording.label(path), *("–" if value is None else plain(wording.show(value)) for value in pair))
            for path in sorted(before.keys() | after.keys())
            if (pair := (before.get(path), after.get(path)))[0] != pair[1]
        ],
    )


def _budget(most: float | None, spent: float, unit: str) -> str:
    if most is None:
        return "none"
    return f"{most:,g}{f' {unit}' if unit else ''}, {100 * spent / most:.0f} % spent"
