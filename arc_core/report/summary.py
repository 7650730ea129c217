"""What a cycle came to: the rows people read in the terminal, the report and the UI."""

from typing import Any

from arc_core.experiments.board import Decision, Directive, Proposal
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.study import Cycle, Experiment, Study
from arc_core.record import Record


class Row(Record):
    """One experiment, as a table shows it."""

    number: int
    experiment_id: str
    cycle: int
    hypothesis: str
    changes: str
    status: str
    metric: Estimate | None
    verdict: str
    reason: str
    seconds: float | None


class PlannedRow(Record):
    """One approved experiment of a dry run: what would train, where, for how long."""

    experiment_id: str
    hypothesis: str
    changes: str
    device: str
    minutes: float
    memory_mib: float
    configuration: dict[str, Any]


class CycleSummary(Record):
    """The outcome of one cycle. `planned` is filled by a dry run only."""

    study_id: str
    cycle: int
    metric: str
    simulated: bool
    mode: str
    rows: tuple[Row, ...] = ()
    planned: tuple[PlannedRow, ...] = ()
    rejected: int = 0
    champion: Row | None = None
    report: str | None = None
    body_s: float = 0.0


def rows_of(memory: Memory, study: Study) -> tuple[Row, ...]:
    """Every approved experiment of the study, in order of approval."""
    verdicts = {verdict.experiment_id: verdict for verdict in memory.verdicts(study.id)}
    proposals: dict[str, Proposal] = {}
    for cycle in memory.cycles(study.id):
        proposals |= {proposal.id: proposal for proposal in memory.kept(cycle.id, Proposal)}

    def row(experiment: Experiment) -> Row:
        outcome, proposal = experiment.outcome, proposals[experiment.proposal_id]
        verdict = verdicts.get(experiment.id)
        return Row(
            number=experiment.number,
            experiment_id=experiment.id,
            cycle=outcome.cycle,
            hypothesis=printable(proposal.hypothesis),
            changes=changes_in_words(proposal),
            status=outcome.status,
            metric=outcome.result.metrics.get(study.metric) if outcome.result else None,
            verdict=verdict.outcome if verdict else outcome.status,
            reason=printable(verdict.reason if verdict else outcome.reason),
            seconds=outcome.result.total_s if outcome.result else None,
        )

    return tuple(row(experiment) for experiment in memory.experiments(study.id))


def summarise(memory: Memory, study: Study, cycle: Cycle, ids: tuple[str, ...]) -> CycleSummary:
    """The summary of a cycle that trained the experiments `ids`."""
    rows = rows_of(memory, study)
    champion = memory.champion(study.id)
    directives = memory.kept(cycle.id, Directive)
    return CycleSummary(
        study_id=study.id,
        cycle=cycle.number,
        metric=study.metric,
        simulated=study.simulated,
        mode=directives[0].mode if directives else "",
        rows=tuple(row for row in rows if row.experiment_id in ids),
        rejected=sum(decision.outcome != "approve" for decision in memory.kept(cycle.id, Decision)),
        champion=next((row for row in rows if champion and row.experiment_id == champion.id), None),
    )


def changes_in_words(proposal: Proposal) -> str:
    """`optimiser.lr 0.003, loss.name dice`; the baseline changes nothing."""
    return printable(", ".join(f"{path} {value}" for path, value in sorted(proposal.changes.items()))) or "–"


def printable(text: str) -> str:
    """One line without control and direction characters, which could forge what a terminal shows."""
    kept = (character if character.isprintable() else " " for character in text)
    return " ".join("".join(kept).split())
