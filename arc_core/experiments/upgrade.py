"""Makes the store's tables, or brings those of an older ARC up to date: one step per version, by alembic."""

from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select, update
from sqlalchemy.exc import DatabaseError, ProgrammingError

from arc_core.errors import StoreError
from arc_core.experiments import tables
from arc_core.experiments.snapshot import copy_sqlite

STEPS = Path(__file__).parent / "migrations"
FIRST_VERSION = 3
EMPTY = 0


def version_of(connection: Connection) -> int | None:
    """The version of the store's tables: EMPTY without any, None where they say none."""
    if not inspect(connection).has_table(tables.schema.name):
        return EMPTY
    return connection.scalar(select(tables.schema.c.version)) or None


def bring_up_to_date(connection: Connection, store: object) -> None:
    """In the caller's transaction, in which no other process is: all steps are taken, or none.

    An older SQLite store is copied beside its file, as it was. StoreError, and nothing changed, when the
    store is newer than this ARC, older than the first step, or not what its version says.
    """
    version = version_of(connection)
    if version == EMPTY:
        tables.metadata.create_all(connection)
        connection.execute(insert(tables.schema).values(version=tables.SCHEMA_VERSION))
        return
    if version is None or not FIRST_VERSION <= version <= tables.SCHEMA_VERSION:
        raise _unknown(version, store)
    if version < tables.SCHEMA_VERSION:  # it was, before this process had its turn
        try:
            migrate(connection, str(version))
        except DatabaseError as error:
            if _is_of_tables(error):
                raise _not_its_own(version, store, error) from error
            raise
        _need_whole(connection, store)
        _keep_copy(connection, version)  # others see what is committed alone: the store as it was
        connection.execute(update(tables.schema).values(version=tables.SCHEMA_VERSION))
        _tell(connection, version)


def _tell(connection: Connection, version: int) -> None:
    from arc_core.experiments.events import of_upgrade  # they know the store, which knows this
    from arc_core.experiments.ledger import append

    append(connection, of_upgrade(version, tables.SCHEMA_VERSION))


def migrate(connection: Connection, start: str, end: str = "heads") -> None:
    """Take the steps after version `start` (`base`: from nothing) up to version `end`."""
    from alembic.migration import MigrationContext  # a store that is up to date doesn't wait for it
    from alembic.operations import Operations
    from alembic.script import ScriptDirectory

    steps = ScriptDirectory(STEPS, version_locations=[STEPS])
    with Operations.context(MigrationContext.configure(connection)):
        for step in reversed(list(steps.iterate_revisions(end, start))):
            step.module.upgrade()


def _keep_copy(connection: Connection, version: int) -> None:
    path = connection.engine.url.database
    if connection.dialect.name == "sqlite" and path is not None:
        copy_sqlite(Path(path), Path(path).with_suffix(f".v{version}.db"))


def _need_whole(connection: Connection, store: object) -> None:
    """SQLite holds foreign keys only where they are switched on, and to rebuild a table they are off."""
    if connection.dialect.name == "sqlite" and (
        broken := connection.exec_driver_sql("PRAGMA foreign_key_check").first()
    ):
        raise StoreError(
            "the store can't be brought up to date: a row refers to one that is not there",
            where=store,
            got=f"table {broken[0]}, row {broken[1]}",
            cure="It is unchanged. Restore a backup, or go on with the ARC that wrote it.",
        )


def _is_of_tables(error: DatabaseError) -> bool:
    """Whether a table or column is there that should not be, or is not: no fault of disk or server."""
    code = getattr(error.orig, "sqlite_errorname", None)
    return isinstance(error, ProgrammingError) if code is None else code == "SQLITE_ERROR"


def _not_its_own(version: int, store: object, error: DatabaseError) -> StoreError:
    return StoreError(
        "the store's tables are not those of the version that it says it has: that number was set back, or "
        "the tables were changed past ARC",
        where=store,
        got=f"schema version {version}, and {str(error.orig).splitlines()[0]}",
        cure="It is unchanged. Restore a backup of it; docs/store.md says how.",
    )


def _unknown(version: int | None, store: object) -> StoreError:
    if version is None or version < FIRST_VERSION:
        what = "the store was written by an ARC that was never released, or its version was changed past ARC"
        cure = "Use the ARC that wrote it, restore a backup"
    else:
        what, cure = "the store was written by a newer ARC", "Update ARC"
    return StoreError(
        what,
        where=store,
        got=f"schema version {version}",
        expected=f"a version from {FIRST_VERSION} to {tables.SCHEMA_VERSION}",
        cure=f"{cure}, or choose another store with ARC_HOME or ARC_DATABASE_URL.",
    )
