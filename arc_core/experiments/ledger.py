"""The ledger in the store: an event commits with what it describes, or neither does.

The database itself refuses to change or delete an event (`tables.GUARDS`): not even a fault of ours can.
"""

from collections.abc import Callable, Iterator

from sqlalchemy import Connection, Row, func, insert, select

from arc_core.experiments import tables as t
from arc_core.experiments.database import Database
from arc_core.provenance.ledger import Entry, Event, enter

LEDGER_LOCK = 0x4C4544
BLOCK = 1000  # rows read at once


def append(db: Connection, *events: Event) -> None:
    """Put events behind the last one: the last thing that the caller's transaction does.

    On PostgreSQL other transactions that append wait from here until this one commits.
    """
    if db.dialect.name != "sqlite":
        db.execute(select(func.pg_advisory_xact_lock(LEDGER_LOCK)))
    last = _last(db)
    rows = []
    for event in events:
        entry = enter(event, (last.number, last.hash) if last else None)
        rows.append(entry._asdict() | {"kind": event.kind, "subject": event.subject})
        last = entry
    if rows:
        db.execute(insert(t.ledger), rows)


class Ledger:
    """Reading it, and adding what describes no other row. Each method is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def entries(self, *, kind: str | None = None, subject: str | None = None) -> Iterator[Entry]:
        """All, or those of one kind or about one study, proposal or experiment; oldest first."""
        query = select(t.ledger).order_by(t.ledger.c.number).limit(BLOCK)
        for column, wanted in ((t.ledger.c.kind, kind), (t.ledger.c.subject, subject)):
            query = query if wanted is None else query.where(column == wanted)
        last = 0
        while True:  # in blocks, as nothing that was read can change
            with self._database.read() as db:
                block = [_entry(row) for row in db.execute(query.where(t.ledger.c.number > last))]
            yield from block
            if len(block) < BLOCK:
                return
            last = block[-1].number

    def ends(self) -> tuple[Entry, Entry]:
        """The first event and the last."""
        with self._database.read() as db:
            first = db.execute(select(t.ledger).where(t.ledger.c.number == 1)).one()
            last = _last(db)
            assert last is not None
            return _entry(first), last

    def append(self, *events: Event) -> None:
        with self._database.write() as db:
            append(db, *events)

    def append_counted(self, kind: str, counts: Callable[[Event], bool], made: Callable[[int], Event]) -> int:
        """Append what is `made` of how many of its kind that count there then are; returns that."""
        with self._database.write(alone=True) as db:
            number = 1 + sum(counts(entry.event) for entry in self.entries(kind=kind))
            append(db, made(number))
        return number

    def labels(self) -> Iterator[tuple[str, str]]:
        """The kind and subject that each event is found by, oldest first."""
        with self._database.read() as db:
            yield from db.execute(
                select(t.ledger.c.kind, t.ledger.c.subject).order_by(t.ledger.c.number)
            ).tuples()


def _last(db: Connection) -> Entry | None:
    row = db.execute(select(t.ledger).order_by(t.ledger.c.number.desc()).limit(1)).first()
    return None if row is None else _entry(row)


def _entry(row: Row[tuple[object, ...]]) -> Entry:
    return Entry(row.number, row.hash, row.body)
