"""The store's tables. A record is kept whole as JSON beside the columns it is searched by."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    DDL,
    JSON,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
    text,
)


class Utc(TypeDecorator[datetime]):
    """A moment. SQLite forgets the zone, PostgreSQL gives its session's; here it is always UTC."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value is not None else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


SCHEMA_VERSION = 8
"""That of the newest step in `migrations`."""

metadata = MetaData()

schema = Table("arc_schema", metadata, Column("version", Integer, primary_key=True, autoincrement=False))

studies = Table(
    "studies",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("dataset_sha256", String(64), nullable=False),
    Column("task", String(20), nullable=False),
    Column("metric", String(20), nullable=False),
    Column("simulated", Integer, nullable=False),
    Column("dataset", JSON, nullable=False),
    Column("split", JSON, nullable=False),
    Column("created", Utc(), nullable=False),
)

cycles = Table(
    "cycles",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("started", Utc(), nullable=False),
    Column("ended", Utc()),
    Column("meeting", Integer, nullable=False, server_default="0"),
    UniqueConstraint("study_id", "number"),
)

loops = Table(
    "loops",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("request", JSON, nullable=False),
    Column("started", Utc(), nullable=False),
    Column("stop_asked", Utc()),
    Column("ended", Utc()),
    Column("reason", Text, nullable=False, default=""),
)

turns = Table(
    "turns",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("loop_id", ForeignKey("loops.id"), nullable=False, index=True),
    Column("cycle_id", ForeignKey("cycles.id")),
    Column("outcome", String(20), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("ended", Utc(), nullable=False),
)


def _of_cycle(name: str, *keys: Column[Any]) -> Table:
    """A table of records that belong to a cycle, in the order they were made."""
    return Table(
        name,
        metadata,
        Column("cycle_id", ForeignKey("cycles.id"), primary_key=True),
        *keys,
        Column("position", Integer, nullable=False),
        Column("body", JSON, nullable=False),
    )


def _meeting() -> Column[int]:
    return Column("meeting", Integer, primary_key=True, autoincrement=False, server_default="0")


def _key(name: str) -> Column[str]:
    return Column(name, String(60), primary_key=True)


# What was said in each meeting of a cycle: where what it planned ahead did not hold, the board meets again.
recollections = _of_cycle("recollections", _meeting())
directives = _of_cycle("directives", _meeting())
proposals = _of_cycle("proposals", _meeting(), _key("proposal_id"))
reviews = _of_cycle("reviews", _meeting(), _key("proposal_id"), _key("reviewer"))
votes = _of_cycle("votes", _meeting(), _key("proposal_id"), _key("role"))
decisions = _of_cycle("decisions", _meeting(), _key("proposal_id"))
approvals = _of_cycle("approvals", _meeting(), _key("stage"))

calls = Table(
    "calls",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("cycle_id", ForeignKey("cycles.id"), nullable=False),
    Column("started", Utc(), nullable=False),
    # What a call came to, or while it runs may come to at most: the caps count these.
    Column("requests", Integer, nullable=False),
    Column("tokens", Integer, nullable=False),
    Column("usd", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Column("body", JSON, nullable=False),
    Index("calls_by_cycle", "cycle_id"),
)

gpu_watches = _of_cycle("gpu_watches", _key("started"))

gpu_samples = Table(
    "gpu_samples",
    metadata,
    Column("cycle_id", ForeignKey("cycles.id"), primary_key=True),
    Column("at", Utc(), primary_key=True),
    Column("gpu_index", Integer, primary_key=True, autoincrement=False),
    Column("utilisation_percent", Float),
    Column("memory_used_mib", Float, nullable=False),
    Column("memory_total_mib", Float, nullable=False),
    Column("temperature_c", Float),
    Column("fan_percent", Float),
    Column("power_w", Float),
    Column("jobs", JSON, nullable=False),
    Column("simulated", Boolean, nullable=False),
)

experiments = Table(
    "experiments",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("number", Integer, nullable=False),
    Column("study_id", ForeignKey("studies.id"), nullable=False),
    Column("cycle_id", ForeignKey("cycles.id"), nullable=False),
    Column("meeting", Integer, nullable=False, server_default="0"),
    Column("proposal_id", String(60), nullable=False),
    Column("spec_id", String(40), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("status", String(20), nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("started", Utc()),
    Column("ended", Utc()),
    Column("repeat_of", String(40)),
    UniqueConstraint("study_id", "spec_id"),
    UniqueConstraint("study_id", "number"),
    Index("experiments_by_status", "study_id", "status"),
    Index("experiments_by_repeat", "repeat_of"),
)

leases = Table(
    "leases",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("experiment_id", ForeignKey("experiments.id")),
    Column("purpose", String(20), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("request", JSON, nullable=False),
    Column("holder", JSON, nullable=False),
    Column("workers", JSON, nullable=False, default=[]),
    Column("gpu_ids", JSON, nullable=False, default=[]),
    Column("asked", Utc(), nullable=False),
    Column("granted", Utc()),
    Column("heartbeat", Utc(), nullable=False),
    Column("expires", Utc(), nullable=False),
    Column("released", Utc()),
    Column("left_behind", Text, nullable=False, default=""),
)
_live: dict[str, Any] = {f"{dialect}_where": text("released IS NULL") for dialect in ("sqlite", "postgresql")}
# The rows that are asked for five times a second are few among all that ever were.
Index("leases_in_line", leases.c.purpose, leases.c.priority.desc(), leases.c.id, **_live)
Index("leases_of_experiments", leases.c.experiment_id, unique=True, **_live)

results = Table(
    "results",
    metadata,
    Column("experiment_id", ForeignKey("experiments.id"), primary_key=True),
    # Apart, so that reading the figures of a whole study stays cheap; last, where SQLite need not pass them.
    Column("body", JSON, nullable=False),
    Column("curve", JSON, nullable=False),
    Column("files", JSON, nullable=False),
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("experiment_id", ForeignKey("experiments.id"), primary_key=True),
    Column("study_id", ForeignKey("studies.id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("body", JSON, nullable=False),
    UniqueConstraint("study_id", "position"),
)

ledger = Table(
    "ledger",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("kind", String(30), nullable=False),
    Column("subject", String(60), nullable=False, index=True),
    Column("hash", String(64), nullable=False),
    Column("body", Text, nullable=False),
)
GUARDS = {
    "sqlite": (
        "CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
        "CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
        # INSERT OR REPLACE deletes without asking the others.
        "CREATE TRIGGER ledger_no_replace BEFORE INSERT ON ledger "
        "WHEN NEW.number <= (SELECT max(number) FROM ledger) "
        "BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END",
    ),
    "postgresql": (
        "CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RAISE EXCEPTION ''the ledger is append-only''; END'",
        "CREATE TRIGGER ledger_refuse BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger "
        "FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse()",
    ),
}
"""Dialect → what has the database itself refuse to change what the ledger holds, be it by a fault of ours."""
for _dialect, _statements in GUARDS.items():
    for _statement in _statements:
        guard = DDL(_statement).execute_if(dialect=_dialect)  # type: ignore[no-untyped-call]
        event.listen(ledger, "after_create", guard)
