"""The connection to the store: SQLite in WAL mode or PostgreSQL, brought up to date when it is opened."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, func, insert, make_url, select
from sqlalchemy.exc import (
    ArgumentError,
    DatabaseError,
    DataError,
    IntegrityError,
    NoSuchModuleError,
    ProgrammingError,
    SQLAlchemyError,
)

from arc_core.errors import StoreError
from arc_core.experiments import tables
from arc_core.experiments.upgrade import bring_up_to_date, version_of
from arc_core.provenance.files import clear_errors

BUSY_TIMEOUT_S = 60
CACHE_KIB = 512  # of SQLite's pages, for each connection: the system holds them as well
SWITCH_AGAIN_S = 0.02
CURE = "Check ARC_HOME and ARC_DATABASE_URL, the disk and the file's permissions."
URL_CURE = "Use sqlite:////absolute/path/arc.db or postgresql://user:password@host/database."
UNWRITABLE = "Let {file} and its folder be written, or choose another folder with ARC_HOME."
CURES = {
    "SQLITE_BUSY": "Find it with `fuser {file}` and end it; then the same command goes on from what is kept.",
    "SQLITE_FULL": "Make room on the disk of {file}; then the same command goes on from what is kept.",
    "SQLITE_IOERR": "Check the disk of {file}; then the same command goes on from what is kept.",
    "SQLITE_READONLY": UNWRITABLE,
    "SQLITE_CANTOPEN": UNWRITABLE,
    "SQLITE_CORRUPT": "Restore a backup of it; docs/store.md says how.",
}
"""How the code of an SQLite error begins → what to do."""
STORE_LOCK = 0x415243  # any number that no other program on the server uses


class Database:
    """`read` sees committed rows; `write` is one transaction that commits or leaves no trace."""

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self._at: Connection | None = None
        self._sqlite = self.url.get_backend_name() == "sqlite"
        if self._sqlite and self.url.database:
            folder = Path(self.url.database).parent
            with clear_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
        with self._clear_errors():
            self._engine = self._make_engine()
            try:
                self._prepare_schema()
            except Exception:
                self._engine.dispose()
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        if self._at is not None:
            yield self._at
            return
        with self._clear_errors(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self, *, alone: bool = False) -> Iterator[Connection]:
        """`alone`: what it reads stays true until it commits, since no other process is in here."""
        with self._clear_errors(), self._engine.begin() as connection:
            if alone:
                self._take_lock(connection)
            yield connection

    def clock(self, connection: Connection) -> datetime:
        """The store's own time. Hosts that share a server differ by seconds; SQLite's file is on one host."""
        if self._sqlite:
            return datetime.now(UTC)
        told: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return told.astimezone(UTC)

    def copy_to(self, other: "Database") -> None:
        """Copy every row into an empty database, but for the ledger: that is of this store alone."""
        with self.at_one_moment() as moment, moment.read() as source, other.write() as target:
            for table in tables.metadata.sorted_tables:
                if table in (tables.schema, tables.ledger):
                    continue
                rows = [dict(row._mapping) for row in source.execute(select(table))]
                if rows:
                    target.execute(insert(table), rows)

    @contextmanager
    def at_one_moment(self) -> Iterator["Database"]:
        """To read alone: whatever is asked of it is answered as of one moment, while others write on."""
        with self._clear_errors(), self._engine.connect() as connection:
            if self._sqlite:
                connection = connection.execution_options(only_reads=True)
            else:
                connection = connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
            with connection.begin():
                moment = copy(self)
                moment._at = connection
                yield moment

    def settle(self) -> None:
        """Bring what was written so far into SQLite's main file, as far as no reader holds it up."""
        if self._sqlite:
            with self.read() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")

    def close(self) -> None:
        self._engine.dispose()

    def _make_engine(self) -> Engine:
        if not self._sqlite:
            return create_engine(self.url, pool_pre_ping=True)
        waits = {} if "timeout" in self.url.query else {"timeout": BUSY_TIMEOUT_S}
        engine = create_engine(self.url, connect_args=waits)
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin)
        return engine

    def _prepare_schema(self) -> None:
        with self.read() as connection:
            version = version_of(connection)
        if version == tables.SCHEMA_VERSION:
            return
        engine = self._make_engine()
        if self._sqlite:
            event.listen(engine, "connect", _let_tables_be_rebuilt)
        try:
            with engine.begin() as connection:
                self._take_lock(connection)
                bring_up_to_date(connection, self)
        finally:
            engine.dispose()

    def _take_lock(self, connection: Connection) -> None:
        """Wait for it, and hold it until the transaction ends."""
        if not self._sqlite:  # SQLite has one writer at a time in any case
            connection.execute(select(func.pg_advisory_xact_lock(STORE_LOCK)))

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            if isinstance(error, (IntegrityError, ProgrammingError, DataError)):
                raise  # a fault of ours, not of the database's
            raise self._explained(error) from error

    def _explained(self, error: DatabaseError) -> StoreError:
        code = getattr(error.orig, "sqlite_errorname", "")
        cure = next((cure for begins, cure in CURES.items() if code.startswith(begins)), CURE)
        what = _first_line(error.orig)
        if code.startswith("SQLITE_BUSY"):
            what = f"another program has held its lock for {self.url.query.get('timeout', BUSY_TIMEOUT_S)} s"
        return StoreError(
            f"the store can't be used: {what}", where=self, cure=cure.format(file=self.url.database)
        )

    def __str__(self) -> str:
        # Without the options, among which there may be a password as well.
        return str(self.url.set(query={}).render_as_string(hide_password=True))


def _parsed(url: str) -> Any:
    try:
        parsed = _with_password_apart(make_url(url))
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect().import_dbapi()
        if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise ArgumentError("a store in memory is lost with its process, and no other process sees it")
        if "@" in (url.partition("?")[0].partition("@")[2]) and parsed.get_backend_name() != "sqlite":
            # The rest of a password, which would be told as a host or a database.
            raise ArgumentError("an @ in a name or password is written %40")
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(
            f"not a database URL: {_first_line(error)}",
            where="ARC_DATABASE_URL",
            cure=URL_CURE,
        ) from None
    except ValueError:  # its words may be a part of the password
        raise StoreError("not a database URL", where="ARC_DATABASE_URL", cure=URL_CURE) from None
    return parsed


def _with_password_apart(url: URL) -> URL:
    """PostgreSQL takes it among the options too, where nothing would hide it."""
    given = url.query.get("password")
    if given is None:
        return url
    password = given if isinstance(given, str) else given[-1]
    return url.set(password=password).difference_update_query(["password"])


def _first_line(error: BaseException | SQLAlchemyError | None) -> str:
    return str(error).splitlines()[0] if error is not None and str(error) else "no reason given"


def _configure_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")


def _write_ahead(connection: Any) -> None:
    """Of several processes that switch a file to WAL at once, SQLite refuses all but one without a wait."""
    (timeout_ms,) = connection.execute("PRAGMA busy_timeout").fetchone()
    until = time.monotonic() + timeout_ms / 1000
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() >= until:
                raise
        time.sleep(SWITCH_AGAIN_S)


def _let_tables_be_rebuilt(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=OFF")  # dropping the old one would take what refers to it


def _begin(connection: Connection) -> None:
    options = connection.get_execution_options()
    if options.get("isolation_level") != "AUTOCOMMIT":
        # A writer that upgrades a read lock can't wait for another writer: take the lock at once.
        connection.exec_driver_sql("BEGIN" if options.get("only_reads") else "BEGIN IMMEDIATE")
