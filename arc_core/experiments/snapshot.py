"""A consistent copy of a SQLite store, while others write to it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

from arc_core.errors import StoreError


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy the database as it is at one moment, whole or not at all; writers go on meanwhile.

    Replaces `target`. StoreError when it can't be read or written.
    """
    draft = target.with_name(f".{target.name}.{uuid4().hex}")
    try:
        with (
            closing(sqlite3.connect(f"{source.resolve().as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(draft)) as new,
        ):
            old.backup(new)  # in one step: it never has to begin anew because of a writer
            new.execute("PRAGMA journal_mode=DELETE")  # one file, without its log beside it
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"the store can't be copied: {error}",
            where=source,
            cure=f"Make room for {target}, and see that its folder can be written.",
        ) from error
    finally:
        draft.unlink(missing_ok=True)
