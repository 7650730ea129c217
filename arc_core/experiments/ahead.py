"""The cycle that is planned while the one before it trains, and a plan that no longer holds."""

from collections.abc import Mapping

from sqlalchemy import select, update

from arc_core.experiments import tables as t
from arc_core.experiments.board import ENDED
from arc_core.experiments.database import Database
from arc_core.experiments.events import of_end
from arc_core.experiments.ledger import append
from arc_core.experiments.rows import (
    IDEA,
    add_cycle,
    cycle_of,
    experiment_of,
    experiments_where,
    now,
    of_meeting,
)
from arc_core.experiments.study import Cycle, Experiment

UNBEGUN = IDEA & t.experiments.c.started.is_(None) & t.experiments.c.status.not_in(ENDED)


class Ahead:
    """Cycles with the status `planned` in a store. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def plan(self, cycle: Cycle) -> Cycle:
        """The cycle after this one, which may have been planned before; it opens when its turn comes."""
        following = select(t.cycles).where(
            t.cycles.c.study_id == cycle.study_id, t.cycles.c.number == cycle.number + 1
        )
        with self._database.write() as db:
            known = db.execute(following).first()
            if known is not None:
                return cycle_of(known)
            return add_cycle(db, cycle.study_id, cycle.number + 1, "planned")

    def unbegun(self, cycle: Cycle) -> tuple[Experiment, ...]:
        """Those of the cycle, and of finished ones, that nobody has begun to train; in order of approval."""
        its_own = (t.experiments.c.cycle_id == cycle.id) | (t.cycles.c.status == "finished")
        of_study = t.experiments.c.study_id == cycle.study_id
        with self._database.read() as db:
            return tuple(map(experiment_of, db.execute(experiments_where(of_study & its_own & UNBEGUN))))

    def withdraw(self, reasons: Mapping[str, str]) -> tuple[str, ...]:
        """Experiment id → why it is not to be trained. The ids of those that nobody had begun."""
        withdrawn = []
        with self._database.write() as db:
            for experiment_id, reason in reasons.items():
                state = {"status": "withdrawn", "reason": reason, "ended": now()}
                its_own = update(t.experiments).where(t.experiments.c.id == experiment_id, UNBEGUN)
                if db.execute(its_own.values(state)).rowcount:
                    withdrawn.append(experiment_id)
            append(db, *(of_end(each, "withdrawn", reasons[each]) for each in withdrawn))
        return tuple(withdrawn)

    def has_lost(self, cycle: Cycle) -> bool:
        """Whether something that its current meeting approved was withdrawn."""
        lost = of_meeting(t.experiments, cycle.id) & (t.experiments.c.status == "withdrawn")
        with self._database.read() as db:
            return db.execute(select(t.experiments.c.id).where(lost).limit(1)).first() is not None

    def meet_again(self, cycle: Cycle) -> Cycle:
        """The cycle with a new meeting, in which nothing has been said; what was said before stays."""
        state = {"meeting": t.cycles.c.meeting + 1}
        with self._database.write() as db:
            again = update(t.cycles).where(t.cycles.c.id == cycle.id).values(state).returning(t.cycles)
            return cycle_of(db.execute(again).one())
