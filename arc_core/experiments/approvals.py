"""What people answered where they have to agree, and what follows from it in the store."""

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, select, update

from arc_core.experiments import tables as t
from arc_core.experiments.board import Approval, Decision, Directive, Proposal
from arc_core.experiments.database import Database
from arc_core.experiments.events import of_board
from arc_core.experiments.ledger import append
from arc_core.experiments.rows import approve, end, of_meeting, said
from arc_core.experiments.study import Cycle


class Approvals:
    """The table `approvals` of a store. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_cycle(self, cycle_id: int) -> dict[str, Approval]:
        """Stage → the answer, in the order of the meeting."""
        query = select(t.approvals.c.body).where(of_meeting(t.approvals, cycle_id))
        with self._database.read() as db:
            found = map(Approval.model_validate, db.scalars(query.order_by(t.approvals.c.stage)))
            return {approval.stage: approval for approval in found}

    def approved(self, study_id: str) -> frozenset[str]:
        """Ids of the study's proposals that a person has approved to run."""
        query = select(t.approvals.c.body).join(t.cycles).where(t.cycles.c.study_id == study_id)
        with self._database.read() as db:
            return frozenset(id_ for body in db.scalars(query) for id_ in body["approved"])

    def keep_directive(self, cycle: Cycle, approval: Approval, directive: Directive) -> None:
        """The answer, and the directive as it was approved."""
        with self._database.write() as db:
            db.execute(said(cycle.id, 0, approval))
            body = directive.model_dump(mode="json")
            db.execute(update(t.directives).where(of_meeting(t.directives, cycle.id)).values(body=body))
            append(db, *of_board(cycle.id, (approval,)))

    def keep(
        self,
        cycle: Cycle,
        approval: Approval,
        decisions: Sequence[Decision],
        proposals: Mapping[str, Proposal],
        *,
        barred: Mapping[str, str],
    ) -> None:
        """The answer, the cycle's decisions as it leaves them, and an experiment for each that is selected.

        `proposals`: those of the decisions, by id; what a person made of one is kept beside the others.
        `barred`: experiment left from before → why a person does not let it run.
        """
        with self._database.write() as db:
            db.execute(said(cycle.id, 0, approval))
            db.execute(delete(t.decisions).where(of_meeting(t.decisions, cycle.id)))
            here = of_meeting(t.proposals, cycle.id)
            known = set(db.scalars(select(t.proposals.c.proposal_id).where(here)))
            last = db.scalar(select(func.max(t.proposals.c.position)).where(here)) or 0
            of_study = t.experiments.c.study_id == cycle.study_id
            registered = set(db.scalars(select(t.experiments.c.proposal_id).where(of_study)))
            edited = []
            for position, decision in enumerate(decisions):
                db.execute(said(cycle.id, position, decision))
                proposal = proposals[decision.proposal_id]
                if proposal.id not in known:
                    db.execute(said(cycle.id, last + 1 + position, proposal))
                    edited.append(proposal)
                if decision.selected and proposal.id not in registered:
                    approve(db, cycle, proposal)
            for experiment_id, reason in barred.items():
                end(db, experiment_id, "withdrawn", reason)
            append(db, *of_board(cycle.id, (*edited, approval, *decisions)))
