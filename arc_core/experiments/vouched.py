"""The rows of the store that events of the ledger vouch for: none of them ever changes again."""

import json
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from typing import Any

from sqlalchemy import JSON, Column, Connection, Select, Table, Text, cast, select, type_coerce

from arc_core.errors import Unverified
from arc_core.experiments import tables as t
from arc_core.experiments.database import Database
from arc_core.experiments.events import RECORD, RESULT_PARTS, digest, digest_of_result

SAID: dict[str, Table] = {
    "proposal.made": t.proposals,
    "review.given": t.reviews,
    "decision.taken": t.decisions,
    "review.signed": t.approvals,
}
"""Kind of event → the table of what the board and people said."""
VOUCHERS = {
    "split.frozen": "split",
    "run.started": "spec",
    "eval.completed": RECORD,
    "verdict.given": RECORD,
} | dict.fromkeys(SAID, RECORD)
"""Kind of event → what among its inputs and outputs is the hash of a row that never changes again."""


def rows(database: Database) -> Iterator[tuple[str, str, str, datetime | None]]:
    """Of each: the kind of event that vouches for it, its subject, its hash, when it was recorded.

    Unverified where its JSON has a key twice.
    """
    ended = t.experiments.c.ended
    with database.read() as db:
        for row in db.execute(_as_text(db, t.studies)):
            yield "split.frozen", row.id, digest(_read(row.split, row.id)), row.created
        for row in db.execute(_as_text(db, t.experiments).where(t.experiments.c.started.is_not(None))):
            yield "run.started", row.id, digest(_read(row.spec, row.id)) + (row.repeat_of or ""), row.started
        for row in db.execute(_as_text(db, t.results, ended).join(t.experiments)):
            name = row.experiment_id
            parts = {part: _read(row._mapping[part], name) for part in RESULT_PARTS}
            yield "eval.completed", name, digest_of_result(parts), row.ended
        for row in db.execute(_as_text(db, t.verdicts, ended).join(t.experiments)):
            # What is searched by lies beside the record, and has to agree with it.
            body = _read(row.body, row.experiment_id)
            agrees = row.outcome == body["outcome"]
            yield "verdict.given", row.experiment_id, digest(body) if agrees else "", row.ended
        for kind, table in SAID.items():
            for row in db.execute(_as_text(db, table, t.cycles.c.started).join(t.cycles)):
                subject = _subject(kind, row)
                yield kind, subject, digest(_read(row.body, subject)), row.started


def by(proposal_id: str, reviewer: str) -> str:
    """The subject of a review."""
    return f"{proposal_id} by {reviewer}"


def _subject(kind: str, row: Any) -> str:
    match kind:
        case "review.signed":
            return f"cycle {row.cycle_id}"
        case "review.given":
            return by(row.proposal_id, row.reviewer)
    return str(row.proposal_id)


def _as_text(db: Connection, table: Table, *others: Column[Any]) -> Select[Any]:
    """Its columns and the others, JSON as it was written."""
    # SQLite gives what lies there, be it no text at all; PostgreSQL's driver would have read it.
    told = type_coerce if db.dialect.name == "sqlite" else cast
    texts = (told(each, Text).label(each.name) if isinstance(each.type, JSON) else each for each in table.c)
    return select(*texts, *others)


def _read(text: str, subject: str) -> Any:
    """Of a key that is there twice SQLite would search by the first, and everybody else read the last."""
    return json.loads(text, object_pairs_hook=partial(_once, subject))


def _once(subject: str, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    known = dict(pairs)
    if len(known) < len(pairs):
        raise Unverified(f"the store's row of {subject} has a key twice: it was changed")
    return known
