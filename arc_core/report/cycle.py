"""The cycle report: one Markdown text with its pictures inside, and the same as a page."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from arc_core.agents import wording
from arc_core.agents.historian import trends
from arc_core.data.manifest import Dataset
from arc_core.data.study import dataset_of, split_of
from arc_core.experiments.board import Alarm, Decision, Directive, Lesson, Proposal, Recollection, Review
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.loop import Course
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS
from arc_core.experiments.objectives import Objectives
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Cycle, Experiment, Study
from arc_core.provenance.files import clear_errors, write_atomically
from arc_core.record import Record
from arc_core.report import figures
from arc_core.report.front import told_of_front
from arc_core.report.gpu_plot import gpu_loads
from arc_core.report.gpus import told_of_gpus
from arc_core.report.overlays import overlay_of, ranked_cases
from arc_core.report.page import html_of, inline, page_of
from arc_core.report.page import markdown as markdown_in
from arc_core.report.sites import told_of_sites
from arc_core.report.standing import Standing, standing_of
from arc_core.report.summary import (
    CycleSummary,
    arm_in_words,
    in_words,
    spec_in_words,
    split_in_words,
    summarise,
)


class CycleReport(Record):
    """What a cycle leaves for its readers. `summary.report` is the HTML file; `markdown` goes to the UI.

    `standing` and `front`: of the whole study, which its own page tells too.
    """

    summary: CycleSummary
    standing: Standing
    front: dict[str, Any]
    markdown: str


def write_report(
    memory: Memory,
    study: Study,
    cycle: Cycle,
    ids: tuple[str, ...],
    lessons: Sequence[Lesson],
    home: Path,
    *,
    alarms: Sequence[Alarm] = (),
    forbidden: Sequence[ForbiddenRange] = (),
    objectives: Objectives | None = None,
    runs: Runs | None = None,
    loop: Course | None = None,
) -> CycleReport:
    """Render the report of a cycle that trained `ids`, under `home`/report.

    `alarms`: those that the board was warned of. `forbidden`: the ranges it may not enter from now on.
    `objectives`: what the front is shown for; without them there is none. `loop`: what it does next.
    `runs`: the run folders, where they are not `home`/runs alone.
    """
    folder = home / "report" / study.id
    page = folder / f"cycle-{cycle.number:04d}.html"
    seen = {"report": str(page)} | ({"loop": loop} if loop is not None else {})
    summary = summarise(memory, study, cycle, ids).model_copy(update=seen)
    standing = standing_of(memory, study)
    told: dict[str, Any] = {
        "lessons": lessons,
        "alarms": alarms,
        "forbidden": [(wording.forbidden(bad), bad.taught_by) for bad in forbidden],
        "standing": standing,
        "arm_in_words": arm_in_words,
    }
    front = told_of_front(memory, study, objectives or {}, cycle=cycle.number)
    markdown = _render(memory, study, cycle, summary, told | front, runs or Runs(home / "runs"))
    html = page_of(
        "page.html.j2",
        title=f"ARC · cycle {cycle.number}",
        body=html_of(markdown),
        up=(f"../{study.id}.html", f"{study.id}, all cycles"),
    )
    with clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    write_atomically(page, html)
    return CycleReport(summary=summary, standing=standing, front=front, markdown=markdown)


def _render(
    memory: Memory, study: Study, cycle: Cycle, summary: CycleSummary, told: Mapping[str, Any], runs: Runs
) -> str:
    dataset, champion = dataset_of(study), memory.champion(study.id)
    scores = memory.scores(study.id, study.metric)
    proposals = {proposal.id: proposal for proposal in memory.kept(cycle.id, Proposal)}
    decisions = memory.kept(cycle.id, Decision)
    directives = memory.kept(cycle.id, Directive)
    gpus = told_of_gpus(memory, cycle)
    case, picture = _champion_overlay(memory, runs, dataset, champion.id) if champion else (None, None)
    return markdown_in(
        "cycle.md.j2",
        summary=summary,
        study=study,
        dataset=dataset,
        split=split_in_words(split_of(study), dataset),
        unit="patient" if dataset.has_patient_ids else "image",
        label=METRICS[study.metric].label,
        directive=directives[0] if directives else None,
        champion=summary.champion,
        champion_spec=spec_in_words(champion.outcome.spec) if champion else "",
        champion_metrics=_metrics(champion),
        measured=len(scores),
        overlay_case=case,
        overlay=inline(picture),
        curves=inline(_curves(memory, summary)),
        best=inline(figures.best_so_far(scores, study.metric) if scores else None),
        comparisons=memory.comparisons(study.id),
        decisions=[(proposals[decision.proposal_id], decision) for decision in decisions],
        approvals=memory.approvals.of_cycle(cycle.id).values(),
        remarks=_remarks(proposals, decisions, memory.kept(cycle.id, Review)),
        calls=memory.calls.of_cycle(cycle.id),
        dropped=[lesson for each in memory.kept(cycle.id, Recollection) for lesson in each.dropped],
        trends=trends(
            tuple(each for each in memory.outcomes(study.id) if each.cycle <= cycle.number), study.metric
        ),
        learned=[p for p in proposals.values() if p.rests_on],
        gpu_plot=inline(_gpu_plot(gpus)),
        **gpus,
        **told_of_sites(memory, study, dataset, runs, champion),
        **told,
    )


def _metrics(champion: Experiment | None) -> list[tuple[str, Any]]:
    result = champion.outcome.result if champion else None
    return [(METRICS[name].label, estimate) for name, estimate in result.metrics.items()] if result else []


def _remarks(
    proposals: Mapping[str, Proposal], decisions: Iterable[Decision], reviews: Iterable[Review]
) -> list[tuple[str, str]]:
    """Where judges differ, and what a critic would have changed: proposal, remark.

    The critics never see each other's reviews: that they differ is found here.
    """
    reviews = tuple(reviews)
    seconds = {review.proposal_id: review for review in reviews if review.reviewer == "critic_secondary"}
    differing = [
        (one.proposal_id, f"the critics differ: the first says {_said(one)}, the second {_said(other)}")
        for one in reviews
        if one.reviewer == "critic" and (other := seconds.get(one.proposal_id))
        if one.decision != other.decision
    ]
    overridden = [
        (decision.proposal_id, f"the supervisor's {decision.ruling.decision} overrides agreeing critics")
        for decision in decisions
        if decision.ruling.overrides_consensus and decision.outcome == decision.ruling.decision
    ]
    suggested = [
        (review.proposal_id, f"{review.reviewer} suggests {in_words(review.suggested_changes)}")
        for review in reviews
        if review.suggested_changes
    ]
    return [
        (proposals[proposal_id].name, remark) for proposal_id, remark in differing + overridden + suggested
    ]


def _said(review: Review) -> str:
    return f"{review.decision} ({review.reasons[0]})"


def _curves(memory: Memory, summary: CycleSummary) -> bytes | None:
    curves = []
    for row in summary.rows:
        if result := memory.result(row.experiment_id):
            curves.append((f"#{row.number}", result.curve))
    return figures.learning_curves(curves) if curves else None


def _gpu_plot(gpus: Mapping[str, Any]) -> bytes | None:
    loads = gpus["gpu_loads"]
    return gpu_loads(loads, simulated=gpus["gpu_simulated"]) if loads else None


def _champion_overlay(
    memory: Memory, runs: Runs, dataset: Dataset, champion_id: str
) -> tuple[str | None, bytes | None]:
    """The held-out case of median Dice, without a picture where its mask is not the recorded file."""
    ranked = ranked_cases(memory, runs, champion_id)
    if not ranked:
        return None, None
    middle = ranked[len(ranked) // 2]
    return middle.image_id, overlay_of(memory, runs, dataset, champion_id, middle)
