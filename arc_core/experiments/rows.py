"""From the store's rows to records and back. Each function works within its caller's transaction."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Insert,
    Row,
    ScalarSelect,
    Select,
    Table,
    and_,
    func,
    insert,
    select,
    update,
)

from arc_core.experiments import tables as t
from arc_core.experiments.board import (
    ENDED,
    Approval,
    Decision,
    Directive,
    Outcome,
    Proposal,
    Recollection,
    Review,
    Vote,
)
from arc_core.experiments.events import of_end
from arc_core.experiments.ledger import append
from arc_core.experiments.result import ACCEPTED, Figures, Race, Result, Verdict
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Cycle, Experiment, Score, experiment_id
from arc_core.record import Record

TABLES: dict[type[Record], Table] = {
    Recollection: t.recollections,
    Directive: t.directives,
    Proposal: t.proposals,
    Review: t.reviews,
    Vote: t.votes,
    Decision: t.decisions,
    Approval: t.approvals,
}


IDEA = t.experiments.c.repeat_of.is_(None)
"""No repeat of another experiment."""


def now() -> datetime:
    return datetime.now(UTC)


def meeting_of(cycle_id: int) -> ScalarSelect[int]:
    """The cycle's latest meeting, which is the one that counts."""
    return select(t.cycles.c.meeting).where(t.cycles.c.id == cycle_id).scalar_subquery()


def of_meeting(table: Table, cycle_id: int, meeting: int | None = None) -> ColumnElement[bool]:
    """What `table` has of a meeting of the cycle; None: the latest."""
    number = meeting_of(cycle_id) if meeting is None else meeting
    return (table.c.cycle_id == cycle_id) & (table.c.meeting == number)


def board_row(cycle_id: int, position: int, record: Record) -> dict[str, Any]:
    """A row of the cycle's first meeting."""
    body = record.model_dump(mode="json")
    keys: dict[str, Any] = {
        column.name: body[column.name] for column in TABLES[type(record)].primary_key if column.name in body
    }
    if isinstance(record, Proposal):
        keys["proposal_id"] = record.id
    return {"cycle_id": cycle_id, "position": position, "body": body} | keys


def said(cycle_id: int, position: int, record: Record) -> Insert:
    """The record put down as said in the cycle's latest meeting."""
    row = board_row(cycle_id, position, record) | {"meeting": meeting_of(cycle_id)}
    return insert(TABLES[type(record)]).values(row)


def result_row(experiment_id: str, result: Result) -> dict[str, Any]:
    body = result.model_dump(mode="json")
    bulky = {name: body.pop(name) for name in ("curve", "files")}
    return {"experiment_id": experiment_id, "body": body} | bulky


def result_of(row: Row[Any]) -> Result:
    return Result.model_validate(row.body | {"curve": row.curve, "files": row.files})


def verdict_row(db: Connection, study_id: str, verdict: Verdict) -> dict[str, Any]:
    """Behind the study's other verdicts."""
    count = select(func.count()).where(t.verdicts.c.study_id == study_id)
    return {
        "experiment_id": verdict.experiment_id,
        "study_id": study_id,
        "position": db.scalar(count),
        "outcome": verdict.outcome,
        "body": verdict.model_dump(mode="json"),
    }


def cycle_of(row: Row[Any]) -> Cycle:
    return Cycle.model_validate({name: row._mapping[name] for name in Cycle.model_fields})


def add_cycle(db: Connection, study_id: str, number: int, status: str) -> Cycle:
    row = {"study_id": study_id, "number": number, "status": status, "reason": "", "started": now()}
    return cycle_of(db.execute(insert(t.cycles).values(row).returning(t.cycles)).one())


def approve(db: Connection, cycle: Cycle, proposal: Proposal) -> None:
    of_study = t.experiments.c.study_id == cycle.study_id
    highest = db.scalar(select(func.max(t.experiments.c.number)).where(of_study)) or 0
    row = {
        "id": experiment_id(cycle.study_id, proposal.spec.id),
        "number": highest + 1,
        "study_id": cycle.study_id,
        "cycle_id": cycle.id,
        "meeting": meeting_of(cycle.id),
        "proposal_id": proposal.id,
        "spec_id": proposal.spec.id,
        "spec": proposal.spec.model_dump(mode="json"),
        "status": "approved",
        "reason": "",
    }
    db.execute(insert(t.experiments).values(row))


def end(db: Connection, experiment_id: str, status: str, reason: str, race: Race | None = None) -> None:
    """What has ended stays as it ended: an interruption that comes after the result changes nothing."""
    state = {"status": status, "reason": reason, "ended": now()}
    going = (t.experiments.c.id == experiment_id) & t.experiments.c.status.not_in(ENDED)
    if db.execute(update(t.experiments).where(going).values(state)).rowcount:
        append(db, of_end(experiment_id, status, reason, race))


def experiments_where(condition: ColumnElement[bool]) -> Select[Any]:
    """Experiments with their cycle's number and their figures; `condition` may ask for the verdict too."""
    columns = (t.experiments, t.cycles.c.number.label("cycle"), t.results.c.body.label("figures"))
    joined = (
        t.experiments.join(t.cycles, t.cycles.c.id == t.experiments.c.cycle_id)
        .outerjoin(t.results)
        .outerjoin(t.verdicts, t.verdicts.c.experiment_id == t.experiments.c.id)
    )
    return select(*columns).select_from(joined).where(condition).order_by(t.experiments.c.number)


def said_of(table: Table, condition: ColumnElement[bool]) -> Select[Any]:
    """Experiment id and the body of what `table`, of proposals or decisions, says of it."""
    # A proposal that was not selected may be made again, under the same id, in a later meeting.
    same = and_(*(table.c[name] == t.experiments.c[name] for name in ("cycle_id", "meeting", "proposal_id")))
    joined = t.experiments.join(table, same)
    return select(t.experiments.c.id, table.c.body).select_from(joined).where(condition)


def scores_where(condition: ColumnElement[bool], metric: str) -> Select[Any]:
    joined = (
        t.experiments.join(t.cycles, t.cycles.c.id == t.experiments.c.cycle_id)
        .join(t.results)
        .outerjoin(t.verdicts, t.verdicts.c.experiment_id == t.experiments.c.id)
    )
    estimate = t.results.c.body["metrics", metric].label("estimate")
    columns = (t.experiments.c.number, estimate, t.verdicts.c.outcome)
    return select(*columns).select_from(joined).where(condition).order_by(t.experiments.c.number)


def score_of(row: Row[Any]) -> Score:
    return Score(number=row.number, estimate=row.estimate, accepted=row.outcome in ACCEPTED)


def experiment_of(row: Row[Any]) -> Experiment:
    outcome = Outcome(
        experiment_id=row.id,
        cycle=row.cycle,
        spec=ExperimentSpec.model_validate(row.spec),
        spec_id=row.spec_id,
        status=row.status,
        reason=row.reason,
        result=Figures.model_validate(row.figures) if row.figures is not None else None,
    )
    return Experiment(
        id=row.id,
        number=row.number,
        study_id=row.study_id,
        proposal_id=row.proposal_id,
        outcome=outcome,
        repeat_of=row.repeat_of,
        started=row.started,
        ended=row.ended,
    )
