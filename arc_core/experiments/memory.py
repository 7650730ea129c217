"""What ARC remembers: everything proposed, decided, trained and measured, committed step by step.

Several processes may write at once. Each method is one transaction.
"""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, func, insert, select, true, update

from arc_core.experiments import tables as t
from arc_core.experiments.ahead import Ahead
from arc_core.experiments.approvals import Approvals
from arc_core.experiments.archive import Archive
from arc_core.experiments.board import (
    ENDED,
    Decision,
    Directive,
    Outcome,
    Proposal,
    Recollection,
    Review,
)
from arc_core.experiments.calls import CallLedger
from arc_core.experiments.database import Database
from arc_core.experiments.events import of_board, of_result, of_study, of_verdict
from arc_core.experiments.leases import Leases, is_free, need_held
from arc_core.experiments.ledger import Ledger, append
from arc_core.experiments.loops import Loops
from arc_core.experiments.overview import Overview
from arc_core.experiments.races import Races
from arc_core.experiments.repeats import Repeats
from arc_core.experiments.result import ACCEPTED, Result, Verdict
from arc_core.experiments.rows import (
    IDEA,
    TABLES,
    add_cycle,
    approve,
    cycle_of,
    end,
    experiment_of,
    experiments_where,
    now,
    of_meeting,
    result_of,
    result_row,
    said,
    said_of,
    verdict_row,
)
from arc_core.experiments.samples import Samples
from arc_core.experiments.study import Cycle, Experiment, Score, Study, unknown_experiment
from arc_core.experiments.track import Track
from arc_core.record import Record

R = TypeVar("R", bound=Record)

NOT_AHEAD = t.cycles.c.status != "planned"


class Memory:
    """The store's one door. StoreError when the database can't be used."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.ahead = Ahead(self.database)
        self.calls = CallLedger(self.database)
        self.approvals = Approvals(self.database)
        self.leases = Leases(self.database)
        self.loops = Loops(self.database)
        self.samples = Samples(self.database)
        self.archive = Archive(self.database)
        self.ledger = Ledger(self.database)
        self.overview = Overview(self.database)
        self.races = Races(self.database)
        self.repeats = Repeats(self.database)

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
                db.execute(insert(t.studies).values(**study.model_dump(mode="json"), created=now()))
                append(db, *of_study(study))
                return study
            db.execute(update(t.studies).where(t.studies.c.id == study.id).values(dataset=study.dataset))
            return study.model_copy(update={"split": known.split})

    def study(self, study_id: str) -> Study:
        with self.database.read() as db:
            row = db.execute(select(t.studies).where(t.studies.c.id == study_id)).one()
        return Study.model_validate({name: row._mapping[name] for name in Study.model_fields})

    def studies(self) -> tuple[str, ...]:
        """Ids, the one whose last cycle began latest at the end."""
        last = func.coalesce(func.max(t.cycles.c.started), t.studies.c.created)
        query = select(t.studies.c.id).outerjoin(t.cycles).group_by(t.studies.c.id).order_by(last)
        with self.database.read() as db:
            return tuple(db.scalars(query))

    def begin_cycle(self, study_id: str) -> Cycle:
        """The first of the study's unfinished cycles, be it interrupted or planned ahead; else the next."""
        of_study = t.cycles.c.study_id == study_id
        unfinished = select(t.cycles).where(of_study, t.cycles.c.status != "finished")
        with self.database.write() as db:
            left = db.execute(unfinished.order_by(t.cycles.c.number).limit(1)).first()
            if left is None:
                last = db.scalar(select(func.max(t.cycles.c.number)).where(of_study))
                return add_cycle(db, study_id, (last or 0) + 1, "open")
            state: dict[str, Any] = {"status": "open", "reason": "", "ended": None}
            if left.status == "planned":
                state["started"] = now()
            going = update(t.cycles).where(t.cycles.c.id == left.id).values(state).returning(t.cycles)
            return cycle_of(db.execute(going).one())

    def cycles(self, study_id: str) -> tuple[Cycle, ...]:
        """The study's cycles, oldest first."""
        query = select(t.cycles).where(t.cycles.c.study_id == study_id).order_by(t.cycles.c.number)
        with self.database.read() as db:
            return tuple(map(cycle_of, db.execute(query)))

    def end_cycle(self, cycle_id: int, *, failed: str = "") -> None:
        """Close the cycle; with a reason in `failed` it is taken up again next time."""
        state = {"status": "failed" if failed else "finished", "reason": failed, "ended": now()}
        with self.database.write() as db:
            db.execute(update(t.cycles).where(t.cycles.c.id == cycle_id).values(state))
        self.database.settle()

    # The board's records

    def keep(self, cycle_id: int, records: Sequence[Recollection | Directive | Proposal | Review]) -> None:
        """Record what the board said in a cycle, in its order."""
        with self.database.write() as db:
            for position, record in enumerate(records):
                db.execute(said(cycle_id, position, record))
            append(db, *of_board(cycle_id, records))

    def kept(self, cycle_id: int, kind: type[R], meeting: int | None = None) -> tuple[R, ...]:
        """What the board said in a cycle's meeting, by default its latest, of one kind, in its order."""
        table = TABLES[kind]
        query = select(table.c.body).where(of_meeting(table, cycle_id, meeting)).order_by(table.c.position)
        with self.database.read() as db:
            return tuple(kind.model_validate(body) for body in db.scalars(query))

    def said_of(self, experiment_ids: Collection[str], kind: type[R]) -> dict[str, R]:
        """Experiment id → the proposal that it was approved as, or the decision."""
        with self.database.read() as db:
            rows = db.execute(said_of(TABLES[kind], t.experiments.c.id.in_(experiment_ids)))
            return {row.id: kind.model_validate(row.body) for row in rows}

    def keep_decisions(
        self,
        cycle: Cycle,
        decisions: Sequence[Decision],
        proposals: Mapping[str, Proposal],
        *,
        waiting: bool = False,
    ) -> None:
        """Decisions, their votes, and an experiment for each selected proposal: all or nothing.

        `waiting` for a person: there is no experiment, and nothing to train, before `approvals.keep`.
        """
        with self.database.write() as db:
            for position, decision in enumerate(decisions):
                db.execute(said(cycle.id, position, decision))
                for place, vote in enumerate(decision.votes):
                    on = {"proposal_id": decision.proposal_id}
                    db.execute(said(cycle.id, place, vote).values(on))
                if decision.selected and not waiting:
                    approve(db, cycle, proposals[decision.proposal_id])
            append(db, *of_board(cycle.id, decisions))

    # Experiments

    def outcomes(self, study_id: str) -> tuple[Outcome, ...]:
        """What became of every experiment of the study, in order of approval; fast at any number of them."""
        return self.archive.outcomes(study_id)

    def tracks(self, study_id: str) -> tuple[Track, ...]:
        """Every decided proposal of the study, cycle by cycle; fast at any number of them."""
        return self.overview.tracks(study_id, self.outcomes(study_id))

    def experiments(self, study_id: str, ids: Collection[str] | None = None) -> tuple[Experiment, ...]:
        """Every approved experiment of the study, in order of approval; or those among `ids`, repeats too."""
        chosen = IDEA if ids is None else t.experiments.c.id.in_(ids)
        return self._experiments((t.experiments.c.study_id == study_id) & chosen)

    def pending(self, study_id: str) -> tuple[Experiment, ...]:
        """Those approved, running or stopped, in order of approval; none that is planned ahead."""
        going = t.experiments.c.status.not_in(ENDED) & NOT_AHEAD & IDEA
        return self._experiments((t.experiments.c.study_id == study_id) & going)

    def agenda(self, cycle: Cycle) -> tuple[Experiment, ...]:
        """Those that the cycle approved or finds without a verdict, but for what failed or was withdrawn in
        other cycles, or is planned ahead for one."""
        over = t.experiments.c.status.in_(("failed", "withdrawn"))
        left = t.verdicts.c.experiment_id.is_(None) & ~over & NOT_AHEAD & IDEA
        mine = (t.experiments.c.cycle_id == cycle.id) & IDEA
        return self._experiments((t.experiments.c.study_id == cycle.study_id) & (mine | left))

    def unjudged(self, study_id: str) -> tuple[Experiment, ...]:
        """Those that have finished or were pruned, without a verdict, in order; none planned ahead."""
        over = (t.experiments.c.study_id == study_id) & t.experiments.c.status.in_(("finished", "pruned"))
        return self._experiments(over & t.verdicts.c.experiment_id.is_(None) & NOT_AHEAD & IDEA)

    def _experiments(self, condition: ColumnElement[bool]) -> tuple[Experiment, ...]:
        with self.database.read() as db:
            return tuple(experiment_of(row) for row in db.execute(experiments_where(condition)))

    def experiment(self, experiment_id: str) -> Experiment:
        """StoreError when there is none of that id."""
        with self.database.read() as db:
            row = db.execute(experiments_where(t.experiments.c.id == experiment_id)).first()
        if row is None:
            raise unknown_experiment(experiment_id, self.database)
        return experiment_of(row)

    def result(self, experiment_id: str) -> Result | None:
        """All that a finished experiment left, with its learning curve and its files."""
        query = select(t.results).where(t.results.c.experiment_id == experiment_id)
        with self.database.read() as db:
            row = db.execute(query).first()
        return result_of(row) if row is not None else None

    def scores(self, study_id: str, metric: str) -> tuple[Score, ...]:
        """The metric of every experiment that has it, in order of approval; of none that is planned ahead."""
        return self.overview.scores(study_id, metric)

    def keep_result(self, experiment_id: str, result: Result, lease_id: int | None = None) -> None:
        """The experiment has finished. LeaseLost, and nothing kept, when its lease is no longer held."""
        with self.database.write() as db:
            need_held(db, lease_id)
            db.execute(insert(t.results).values(row := result_row(experiment_id, result)))
            end(db, experiment_id, "finished", "")
            append(db, *of_result(experiment_id, result, row))

    def keep_failure(self, experiment_id: str, reason: str, lease_id: int | None = None) -> None:
        """The experiment has failed, for good. LeaseLost as above."""
        with self.database.write() as db:
            need_held(db, lease_id)
            end(db, experiment_id, "failed", reason)

    def keep_stop(self, experiment_id: str, reason: str, lease_id: int | None = None) -> None:
        """The experiment was stopped, or not started; a later cycle takes it up again.

        Nothing changes when another lease than `lease_id` has the experiment by now.
        """
        with self.database.write() as db:
            if lease_id is None or is_free(db, experiment_id, but=lease_id):
                end(db, experiment_id, "stopped", reason)

    # Verdicts

    def keep_verdict(self, study_id: str, verdict: Verdict) -> None:
        with self.database.write() as db:
            db.execute(insert(t.verdicts).values(verdict_row(db, study_id, verdict)))
            append(db, *of_verdict(verdict))

    def verdicts(self, study_id: str, ids: Collection[str] | None = None) -> tuple[Verdict, ...]:
        """The gate's answers, or those on the experiments `ids`, in the order they were given."""
        chosen = true() if ids is None else t.verdicts.c.experiment_id.in_(ids)
        query = select(t.verdicts.c.body).where((t.verdicts.c.study_id == study_id) & chosen)
        with self.database.read() as db:
            return tuple(map(Verdict.model_validate, db.scalars(query.order_by(t.verdicts.c.position))))

    def comparisons(self, study_id: str) -> tuple[bool, ...]:
        """Whether each challenger that the gate has compared with a champion was promoted, in its order."""
        compared = t.verdicts.c.body["champion_id"].as_string().is_not(None)
        query = select(t.verdicts.c.outcome).where(t.verdicts.c.study_id == study_id, compared)
        with self.database.read() as db:
            return tuple(each == "promote" for each in db.scalars(query.order_by(t.verdicts.c.position)))

    def champion(self, study_id: str, before: int | None = None) -> Experiment | None:
        """The last experiment the gate accepted; of those from cycles `before` that one, if given."""
        accepted = (t.verdicts.c.study_id == study_id) & t.verdicts.c.outcome.in_(ACCEPTED)
        query = select(t.verdicts.c.experiment_id).where(accepted).order_by(t.verdicts.c.position.desc())
        if before is not None:
            query = query.select_from(t.verdicts.join(t.experiments).join(t.cycles))
            query = query.where(t.cycles.c.number < before)
        with self.database.read() as db:
            last = db.scalars(query.limit(1)).first()
        return self.experiment(last) if last is not None else None


@cache
def open_memory(url: str) -> Memory:
    """One Memory per store and process."""
    return Memory(url)
