"""The connection to the store: SQLite in WAL mode or PostgreSQL, with its schema version checked."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, insert, inspect, make_url, select
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

BUSY_TIMEOUT_S = 60
STORE_LOCK = 0x415243  # any number that no other program on the server uses


class Database:
    """`read` sees committed rows; `write` is one transaction that commits or leaves no trace."""

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self._sqlite = self.url.get_backend_name() == "sqlite"
        if self._sqlite and self.url.database:
            _make_folder(Path(self.url.database).parent)
        with self._clear_errors():
            self._engine = self._make_engine()
            try:
                self._prepare_schema()
            except Exception:
                self._engine.dispose()
                raise

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with self._clear_errors(), self._engine.connect() as connection:
            yield connection.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def write(self, *, alone: bool = False) -> Iterator[Connection]:
        """`alone`: what it reads stays true until it commits, since no other process is in here."""
        with self._clear_errors(), self._engine.begin() as connection:
            if alone and not self._sqlite:  # SQLite has one writer at a time in any case
                connection.execute(select(func.pg_advisory_xact_lock(STORE_LOCK)))
            yield connection

    def clock(self, connection: Connection) -> datetime:
        """The store's own time. Hosts that share a server differ by seconds; SQLite's file is on one host."""
        if self._sqlite:
            return datetime.now(UTC)
        told: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
        return told.astimezone(UTC)

    def copy_to(self, other: "Database") -> None:
        """Copy every row into an empty database."""
        with self._snapshot() as source, other.write() as target:
            for table in tables.metadata.sorted_tables:
                rows = [dict(row._mapping) for row in source.execute(select(table))]
                if rows and table is not tables.schema:
                    target.execute(insert(table), rows)

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Every read sees the same moment. On SQLite, writers wait until it ends."""
        with self._clear_errors(), self._engine.connect() as connection:
            if not self._sqlite:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    def close(self) -> None:
        self._engine.dispose()

    def _make_engine(self) -> Engine:
        if not self._sqlite:
            return create_engine(self.url, pool_pre_ping=True)
        engine = create_engine(self.url, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine

    def _prepare_schema(self) -> None:
        with self.write(alone=True) as connection:  # of processes that start at once, one makes the tables
            if not inspect(connection).has_table("arc_schema"):
                tables.metadata.create_all(connection)
                connection.execute(insert(tables.schema).values(version=tables.SCHEMA_VERSION))
        with self.read() as connection:
            version = connection.scalar(select(tables.schema.c.version))
        if version != tables.SCHEMA_VERSION:
            newer = version is None or version > tables.SCHEMA_VERSION
            raise StoreError(
                f"the store was written by {'a newer' if newer else 'an older'} ARC",
                where=self,
                got=f"schema version {version}",
                expected=f"version {tables.SCHEMA_VERSION}",
                cure=f"{'Update ARC' if newer else 'Use the ARC that wrote it'}, or choose another store "
                "with ARC_HOME or ARC_DATABASE_URL.",
            )

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except DatabaseError as error:
            if isinstance(error, (IntegrityError, ProgrammingError, DataError)):
                raise  # a fault of ours, not of the database's
            raise StoreError(
                f"the store can't be used: {_first_line(error.orig)}",
                where=self,
                cure="Check ARC_HOME and ARC_DATABASE_URL, the disk and the file's permissions.",
            ) from error

    def __str__(self) -> str:
        return str(self.url.render_as_string(hide_password=True))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            "the store's folder can't be made",
            where=folder,
            got=error.strerror,
            cure="Check ARC_HOME and ARC_DATABASE_URL.",
        ) from None


def _parsed(url: str) -> Any:
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgres", "postgresql"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        parsed.get_dialect().import_dbapi()
        if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
            raise ArgumentError("a store in memory is lost with its process, and no other process sees it")
    except (ArgumentError, NoSuchModuleError, ImportError) as error:
        raise StoreError(
            f"not a database URL: {_first_line(error)}",
            where="ARC_DATABASE_URL",
            cure="Use sqlite:////absolute/path/arc.db or postgresql://user:password@host/database.",
        ) from None
    return parsed


def _first_line(error: BaseException | SQLAlchemyError | None) -> str:
    return str(error).splitlines()[0] if error is not None and str(error) else "no reason given"


def _configure_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA foreign_keys=ON")


def _begin_immediate(connection: Connection) -> None:
    # A writer that upgrades a read lock can't wait for another writer: take the lock at once.
    if connection.get_execution_options().get("isolation_level") != "AUTOCOMMIT":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
