"""The loops of a store: who asked for what, how each turn ended, and why a loop stopped."""

from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from arc_core.experiments import tables as t
from arc_core.experiments.database import Database
from arc_core.experiments.loop import Course, Loop, LoopRequest, Turn
from arc_core.experiments.rows import now
from arc_core.experiments.study import Cycle


class Loops:
    """The tables `loops` and `turns`. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self) -> Loop | None:
        """The loop that was started last, whether it goes on or has stopped."""
        with self._database.read() as db:
            row = db.execute(select(t.loops).order_by(t.loops.c.id.desc()).limit(1)).first()
        return _loop(row) if row is not None else None

    def get(self, loop_id: int) -> Loop:
        with self._database.read() as db:
            return _loop(db.execute(select(t.loops).where(t.loops.c.id == loop_id)).one())

    def start(self, request: LoopRequest, since: datetime | None = None) -> Loop:
        """A new loop; what was asked of those before it is over, but for a stop after `since`.

        That is when the process began that starts it: who asks from then on means this loop.
        """
        started = now()
        over = {"ended": started, "reason": "another was started"}
        row = {"request": request.model_dump(mode="json"), "started": started, "reason": ""}
        with self._database.write() as db:
            db.execute(update(t.loops).where(t.loops.c.ended.is_(None)).values(over))
            if since is not None:
                row["stop_asked"] = db.scalar(
                    select(func.max(t.loops.c.stop_asked)).where(t.loops.c.stop_asked >= since)
                )
            made = db.execute(insert(t.loops).values(row).returning(t.loops)).one()
        return _loop(made)

    def turns(self, loop: Loop) -> tuple[Turn, ...]:
        """Oldest first."""
        query = select(t.turns, t.cycles.c.number).outerjoin(t.cycles, t.turns.c.cycle_id == t.cycles.c.id)
        with self._database.read() as db:
            rows = db.execute(query.where(t.turns.c.loop_id == loop.id).order_by(t.turns.c.id)).all()
        return tuple(
            Turn(outcome=row.outcome, ended=row.ended, cycle=row.number, reason=row.reason) for row in rows
        )

    def keep(self, loop: Loop, turn: Turn, cycle: Cycle | None, course: Course) -> None:
        """How a turn ended, and with it perhaps the loop: both or neither. `cycle`: the one it closed."""
        row = {
            "loop_id": loop.id,
            "cycle_id": cycle.id if cycle is not None else None,
            "outcome": turn.outcome,
            "reason": turn.reason,
            "ended": turn.ended,
        }
        with self._database.write() as db:
            db.execute(insert(t.turns).values(row))
            if course.goes == "stop":
                _end(db, loop.id, course.reason)

    def ask_stop(self) -> Loop | None:
        """Have the loop that goes on stop after the cycle at hand; None where none goes on.

        Asked of the latest loop in any case: a process that is just starting one heeds it.
        """
        latest = t.loops.c.id == select(func.max(t.loops.c.id)).scalar_subquery()
        with self._database.write() as db:
            asked = update(t.loops).where(latest).values(stop_asked=now()).returning(t.loops)
            row = db.execute(asked).first()
        loop = _loop(row) if row is not None else None
        return None if loop is None or loop.ended else loop

    def end(self, loop: Loop, reason: str) -> None:
        """The loop is over, unless it was before."""
        with self._database.write() as db:
            _end(db, loop.id, reason)


def _end(db: Any, loop_id: int, reason: str) -> None:
    going = (t.loops.c.id == loop_id) & t.loops.c.ended.is_(None)
    db.execute(update(t.loops).where(going).values(ended=now(), reason=reason))


def _loop(row: Row[Any]) -> Loop:
    return Loop(
        id=row.id,
        request=LoopRequest.model_validate(row.request),
        started=row.started,
        stop_asked=row.stop_asked,
        ended=row.ended,
        reason=row.reason,
    )
