"""The ledger of calls to language models: written before a call is made, so that no crash hides one."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, insert, select, true, update

from arc_core.experiments.call import Call, Spent
from arc_core.experiments.database import Database
from arc_core.experiments.rows import now
from arc_core.experiments.tables import calls, cycles

NOTES = ("over_budget", "offline", "set_aside")

Admit = Callable[[Spent, Spent], Call]


class CallLedger:
    """The table `calls` of a store. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, cycle_id: int, admit: Admit) -> tuple[int, Call]:
        """Set aside what a call may take, and its id.

        `admit` is told what is spent or set aside in this cycle and in total, and answers with the call.
        No other call is admitted meanwhile; what `admit` raises leaves no trace.
        """
        with self._database.write(alone=True) as db:
            call = admit(_spent(db, calls.c.cycle_id == cycle_id), _spent(db, true()))
            key = db.execute(insert(calls).values(_row(cycle_id, call)).returning(calls.c.id)).scalar_one()
            return key, call

    def end(self, call_id: int, call: Call) -> None:
        """What the call came to; what it did not take of its grant is free again."""
        with self._database.write() as db:
            db.execute(update(calls).where(calls.c.id == call_id).values(_figures(call)))

    def keep(self, cycle_id: int, call: Call) -> None:
        """A note beside the calls."""
        with self._database.write() as db:
            db.execute(insert(calls).values(_row(cycle_id, call)))

    def of_cycle(self, cycle_id: int) -> tuple[Call, ...]:
        """In the order they began."""
        query = select(calls.c.body).where(calls.c.cycle_id == cycle_id).order_by(calls.c.id)
        with self._database.read() as db:
            return tuple(Call.model_validate(body) for body in db.scalars(query))

    def of_study(self, study_id: str) -> tuple[Call, ...]:
        """In the order they began, with figures only: of a long study, what was said is a hundred MB."""
        query = (
            select(*_figures_told()).join(cycles).where(cycles.c.study_id == study_id).order_by(calls.c.id)
        )
        with self._database.read() as db:
            return tuple(Call.model_validate(dict(row)) for row in db.execute(query).mappings())

    def spent(self, cycle_id: int | None = None, *, since: datetime | None = None) -> Spent:
        """In one cycle, or in all of the store; since a time, or ever."""
        of_cycle = true() if cycle_id is None else calls.c.cycle_id == cycle_id
        with self._database.read() as db:
            return _spent(db, of_cycle & (true() if since is None else calls.c.started >= since))


def _spent(db: Connection, condition: ColumnElement[bool]) -> Spent:
    columns = (calls.c.requests, calls.c.tokens, calls.c.usd, calls.c.seconds)
    row = db.execute(
        select(*(func.coalesce(func.sum(column), 0) for column in columns)).where(condition)
    ).one()
    requests, tokens, usd, seconds = row
    return Spent(calls=int(requests), tokens=int(tokens), usd=float(usd), seconds=float(seconds))


def _row(cycle_id: int, call: Call) -> dict[str, Any]:
    return {"cycle_id": cycle_id, "started": now()} | _figures(call)


def _figures_told() -> list[ColumnElement[Any]]:
    words = [calls.c.body[name].as_string().label(name) for name in ("role", "model", "outcome")]
    return words + [calls.c.body[name].label(name) for name in ("tokens_in", "tokens_out", "cost_usd")]


def _figures(call: Call) -> dict[str, Any]:
    return {
        "requests": int(call.outcome not in NOTES),
        "tokens": call.tokens_in + call.tokens_out,
        "usd": call.cost_usd or 0.0,
        "seconds": call.seconds,
        "body": call.model_dump(mode="json"),
    }
