"""What ARC remembers: everything proposed, decided, trained and measured, committed step by step.

Several processes may write at once. Each method is one transaction.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, func, insert, select, update

from arc_core.experiments import tables as t
from arc_core.experiments.board import Decision, Directive, Outcome, Proposal, Review, Vote
from arc_core.experiments.database import Database
from arc_core.experiments.holder import Holder
from arc_core.experiments.result import Result, Verdict
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Cycle, Experiment, Study, experiment_id
from arc_core.record import Record

R = TypeVar("R", bound=Record)

_TABLES: dict[type[Record], Table] = {
    Directive: t.directives,
    Proposal: t.proposals,
    Review: t.reviews,
    Vote: t.votes,
    Decision: t.decisions,
}


class Memory:
    """The store's one door. StoreError when the database can't be used."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)

    def copy_to(self, other: "Memory") -> None:
        """Copy everything into an empty store; what is then done there leaves this one alone."""
        self.database.copy_to(other.database)

    def close(self) -> None:
        self.database.close()

    # Studies and cycles

    def register_study(self, study: Study) -> Study:
        """Record the study. If it is known, its frozen split wins and only the data's place is new."""
        with self.database.write() as db:
            known = db.execute(select(t.studies).where(t.studies.c.id == study.id)).first()
            if known is None:
                db.execute(insert(t.studies).values(**study.model_dump(mode="json"), created=_now()))
                return study
            db.execute(update(t.studies).where(t.studies.c.id == study.id).values(dataset=study.dataset))
            return study.model_copy(update={"split": known.split})

    def study(self, study_id: str) -> Study:
        with self.database.read() as db:
            row = db.execute(select(t.studies).where(t.studies.c.id == study_id)).one()
        return Study.model_validate({name: row._mapping[name] for name in Study.model_fields})

    def studies(self) -> tuple[str, ...]:
        """Ids, oldest first."""
        with self.database.read() as db:
            return tuple(db.scalars(select(t.studies.c.id).order_by(t.studies.c.created)))

    def begin_cycle(self, study_id: str) -> Cycle:
        """The study's unfinished cycle if there is one, else the next."""
        newest = select(t.cycles).where(t.cycles.c.study_id == study_id).order_by(t.cycles.c.number.desc())
        with self.database.write() as db:
            last = db.execute(newest.limit(1)).first()
            if last is not None and last.status != "finished":
                db.execute(update(t.cycles).where(t.cycles.c.id == last.id).values(status="open", reason=""))
                return Cycle(id=last.id, study_id=study_id, number=last.number, status="open")
            number = last.number + 1 if last is not None else 1
            row = {"study_id": study_id, "number": number, "status": "open", "reason": "", "started": _now()}
            made = db.execute(insert(t.cycles).values(row).returning(t.cycles.c.id)).scalar_one()
            return Cycle(id=made, study_id=study_id, number=number, status="open")

    def cycles(self, study_id: str) -> tuple[Cycle, ...]:
        """The study's cycles, oldest first."""
        query = select(t.cycles).where(t.cycles.c.study_id == study_id).order_by(t.cycles.c.number)
        with self.database.read() as db:
            return tuple(
                Cycle(id=row.id, study_id=study_id, number=row.number, status=row.status)
                for row in db.execute(query)
            )

    def end_cycle(self, cycle_id: int, *, failed: str = "") -> None:
        """Close the cycle; with a reason in `failed` it is taken up again next time."""
        state = {"status": "failed" if failed else "finished", "reason": failed, "ended": _now()}
        with self.database.write() as db:
            db.execute(update(t.cycles).where(t.cycles.c.id == cycle_id).values(state))

    # The board's records

    def keep(self, cycle_id: int, records: Sequence[Directive | Proposal | Review]) -> None:
        """Record what the board said in a cycle, in its order."""
        with self.database.write() as db:
            for position, record in enumerate(records):
                db.execute(insert(_TABLES[type(record)]).values(_board_row(cycle_id, position, record)))

    def kept(self, cycle_id: int, kind: type[R]) -> tuple[R, ...]:
        """What the board said in a cycle, of one kind, in its order."""
        table = _TABLES[kind]
        query = select(table.c.body).where(table.c.cycle_id == cycle_id).order_by(table.c.position)
        with self.database.read() as db:
            return tuple(kind.model_validate(body) for body in db.scalars(query))

    def keep_decisions(
        self, cycle: Cycle, decisions: Sequence[Decision], proposals: Mapping[str, Proposal]
    ) -> None:
        """Decisions, their votes, and an experiment for each selected proposal: all or nothing."""
        with self.database.write() as db:
            for position, decision in enumerate(decisions):
                db.execute(insert(t.decisions).values(_board_row(cycle.id, position, decision)))
                for place, vote in enumerate(decision.votes):
                    row = _board_row(cycle.id, place, vote) | {"proposal_id": decision.proposal_id}
                    db.execute(insert(t.votes).values(row))
                if decision.selected:
                    _approve(db, cycle, proposals[decision.proposal_id])

    # Experiments

    def experiments(self, study_id: str) -> tuple[Experiment, ...]:
        """Every approved experiment of the study, in order of approval."""
        with self.database.read() as db:
            rows = db.execute(_experiments(t.experiments.c.study_id == study_id))
            return tuple(_experiment(row) for row in rows)

    def experiment(self, experiment_id: str) -> Experiment | None:
        with self.database.read() as db:
            row = db.execute(_experiments(t.experiments.c.id == experiment_id)).first()
        return _experiment(row) if row is not None else None

    def claim(self, experiment_id: str, holder: Holder, gpu_index: int | None) -> bool:
        """Take the experiment for training, unless it has ended or a living process has it."""
        state = {
            "status": "running",
            "holder": holder.model_dump_json(),
            "gpu_index": gpu_index,
            "started": _now(),
        }
        with self.database.write() as db:
            row = db.execute(
                select(t.experiments).where(t.experiments.c.id == experiment_id).with_for_update()
            ).one()
            taken = row.status == "running" and not Holder.model_validate_json(row.holder).is_dead()
            if taken or row.status in ("finished", "failed"):
                return False
            db.execute(update(t.experiments).where(t.experiments.c.id == experiment_id).values(state))
            return True

    def jobs_per_gpu(self) -> dict[int, int]:
        """GPU index → experiments now training on it, in all studies."""
        running = (t.experiments.c.status == "running") & t.experiments.c.gpu_index.is_not(None)
        query = select(t.experiments.c.gpu_index, t.experiments.c.holder).where(running)
        jobs: dict[int, int] = {}
        with self.database.read() as db:
            for gpu_index, holder in db.execute(query):
                if not Holder.model_validate_json(holder).is_dead():
                    jobs[gpu_index] = jobs.get(gpu_index, 0) + 1
        return jobs

    def keep_result(self, experiment_id: str, result: Result) -> None:
        """The experiment has finished."""
        with self.database.write() as db:
            row = {"experiment_id": experiment_id, "body": result.model_dump(mode="json")}
            db.execute(insert(t.results).values(row))
            _end(db, experiment_id, "finished", "")

    def keep_failure(self, experiment_id: str, reason: str) -> None:
        """The experiment has failed, for good."""
        with self.database.write() as db:
            _end(db, experiment_id, "failed", reason)

    def keep_stop(self, experiment_id: str, reason: str) -> None:
        """The experiment was stopped, or not started; a later cycle takes it up again."""
        with self.database.write() as db:
            _end(db, experiment_id, "stopped", reason)

    # Verdicts

    def keep_verdict(self, study_id: str, verdict: Verdict) -> None:
        count = select(func.count()).where(t.verdicts.c.study_id == study_id)
        with self.database.write() as db:
            row = {
                "experiment_id": verdict.experiment_id,
                "study_id": study_id,
                "position": db.scalar(count),
                "outcome": verdict.outcome,
                "body": verdict.model_dump(mode="json"),
            }
            db.execute(insert(t.verdicts).values(row))

    def verdicts(self, study_id: str) -> tuple[Verdict, ...]:
        """The gate's answers, in the order they were given."""
        query = (
            select(t.verdicts.c.body).where(t.verdicts.c.study_id == study_id).order_by(t.verdicts.c.position)
        )
        with self.database.read() as db:
            return tuple(Verdict.model_validate(body) for body in db.scalars(query))

    def champion(self, study_id: str) -> Experiment | None:
        """The last experiment the gate accepted."""
        accepted = [v for v in self.verdicts(study_id) if v.outcome in ("baseline", "promote")]
        return self.experiment(accepted[-1].experiment_id) if accepted else None


@cache
def open_memory(url: str) -> Memory:
    """One Memory per store and process."""
    return Memory(url)


def _now() -> datetime:
    return datetime.now(UTC)


def _board_row(cycle_id: int, position: int, record: Record) -> dict[str, Any]:
    body = record.model_dump(mode="json")
    keys: dict[str, Any] = {
        column.name: body[column.name] for column in _TABLES[type(record)].primary_key if column.name in body
    }
    if isinstance(record, Proposal):
        keys["proposal_id"] = record.id
    return {"cycle_id": cycle_id, "position": position, "body": body} | keys


def _approve(db: Connection, cycle: Cycle, proposal: Proposal) -> None:
    of_study = t.experiments.c.study_id == cycle.study_id
    highest = db.scalar(select(func.max(t.experiments.c.number)).where(of_study)) or 0
    row = {
        "id": experiment_id(cycle.study_id, proposal.spec.id),
        "number": highest + 1,
        "study_id": cycle.study_id,
        "cycle_id": cycle.id,
        "proposal_id": proposal.id,
        "spec_id": proposal.spec.id,
        "spec": proposal.spec.model_dump(mode="json"),
        "status": "approved",
        "reason": "",
    }
    db.execute(insert(t.experiments).values(row))


def _end(db: Connection, experiment_id: str, status: str, reason: str) -> None:
    state = {"status": status, "reason": reason, "holder": None, "gpu_index": None, "ended": _now()}
    db.execute(update(t.experiments).where(t.experiments.c.id == experiment_id).values(state))


def _experiments(condition: ColumnElement[bool]) -> Select[Any]:
    joined = t.experiments.join(t.cycles, t.cycles.c.id == t.experiments.c.cycle_id).outerjoin(t.results)
    columns = (t.experiments, t.cycles.c.number.label("cycle"), t.results.c.body.label("result"))
    return select(*columns).select_from(joined).where(condition).order_by(t.experiments.c.number)


def _experiment(row: Row[Any]) -> Experiment:
    outcome = Outcome(
        experiment_id=row.id,
        cycle=row.cycle,
        spec=ExperimentSpec.model_validate(row.spec),
        status=row.status,
        reason=row.reason,
        result=Result.model_validate(row.result) if row.result is not None else None,
    )
    return Experiment(
        id=row.id,
        number=row.number,
        study_id=row.study_id,
        proposal_id=row.proposal_id,
        outcome=outcome,
        started=row.started,
        ended=row.ended,
    )
