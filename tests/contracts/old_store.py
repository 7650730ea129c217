"""A store as an older ARC left it: `tests/data/store-v3.sql` is that of a real cycle."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import JSON, DateTime, MetaData, create_engine, insert, make_url, text

from arc_core.experiments.upgrade import migrate
from tests.conftest import ROOT

VERSION = 3
DUMP = ROOT / "tests" / "data" / f"store-v{VERSION}.sql"


def write_old_store(url: str) -> None:
    """Fill the empty database: SQLite's with the dump, PostgreSQL's with its rows."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        _loaded(str(parsed.database)).close()
        return
    engine = create_engine(parsed.set(drivername="postgresql+psycopg"))
    with engine.begin() as db, closing(_loaded(":memory:")) as dump:
        migrate(db, "base", str(VERSION))
        found = MetaData()
        found.reflect(db)
        for table in found.sorted_tables:
            rows = [
                {key: _typed(table.c[key].type, row[key]) for key in row.keys()}  # noqa: SIM118
                for row in dump.execute(f"SELECT * FROM {table.name}")
            ]
            if rows:
                db.execute(insert(table), rows)
        for name in ("cycles", "calls", "leases"):
            db.execute(text(f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), 1000)"))
    engine.dispose()


def _loaded(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path)
    db.row_factory = sqlite3.Row
    db.executescript(DUMP.read_text())
    return db


def _typed(kind: Any, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(kind, JSON):
        return json.loads(value)
    if isinstance(kind, DateTime):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    return value
