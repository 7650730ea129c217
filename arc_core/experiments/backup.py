"""A copy of an ARC home that can be restored, made while cycles go on: store, finished runs, report."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL, select

from arc_core.errors import StoreError
from arc_core.experiments.database import Database
from arc_core.experiments.runs import Runs, inside
from arc_core.experiments.snapshot import copy_sqlite
from arc_core.experiments.tables import results
from arc_core.experiments.verification import EVALUATIONS
from arc_core.provenance.files import whole
from arc_core.provenance.heads import Heads
from arc_core.record import Record

ANCHORS = "anchors"
DUMP = "arc.dump"
"""PostgreSQL's store in a backup; SQLite's is `arc.db`, as in a home."""


class Backup(Record):
    """What a backup holds. `damaged`: files of results that were missing or changed before it was made."""

    folder: Path
    experiments: int
    files: int
    size_bytes: int
    damaged: tuple[str, ...]


def back_up(
    database: Database, home: Path, folder: Path, runs: Runs | None = None, heads: Heads | None = None
) -> Backup:
    """Copy what is finished into the new `folder`, which appears whole or not at all.

    `runs`: the run folders, where they are not `home`/runs alone; `heads`: of its ledger. StoreError when it
    can't be written, or is there already.
    """
    runs = runs or Runs(home / "runs")
    if folder.exists():
        raise StoreError("it is there already", where=folder, cure="Choose a folder that is not.")
    with whole(folder) as draft:
        if heads is not None and heads.folder.is_dir():  # first: the store is to come as far as they say
            shutil.copytree(heads.folder, draft / ANCHORS)
        _copy_store(database, draft)  # then, since a result is recorded once its files are there
        with database.read() as db:
            kept = dict(db.execute(select(results.c.experiment_id, results.c.files)).tuples().all())
        damaged = [
            f"{key}/{name}"
            for key, files in kept.items()
            for name in _copy_run(runs, key, draft / "runs" / key, files)
        ]
        for name in ("report", EVALUATIONS):
            if (home / name).is_dir():
                shutil.copytree(home / name, draft / name, ignore=shutil.ignore_patterns(".*"))
        copied = [path for path in draft.rglob("*") if path.is_file()]
        size_bytes = sum(path.stat().st_size for path in copied)
    return Backup(
        folder=folder,
        experiments=len(kept),
        files=len(copied),
        size_bytes=size_bytes,
        damaged=tuple(damaged),
    )


def _copy_store(database: Database, folder: Path) -> None:
    if database.url.get_backend_name() == "sqlite":
        copy_sqlite(Path(database.url.database), folder / "arc.db")
    else:
        _dump(database.url, folder / DUMP)


def _copy_run(runs: Runs, experiment_id: str, to: Path, files: Mapping[str, str]) -> list[str]:
    """Copy a result's own files; names of those that are not what was measured."""
    for name in files:
        source, target = runs.path(experiment_id, name), inside(to, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_file():
            shutil.copyfile(source, target)
    return list(runs.fetch(experiment_id, files, to))


def _dump(url: URL, path: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise StoreError(
            "pg_dump is not installed, and a PostgreSQL store can't be backed up without it",
            where=url.render_as_string(),
            cure="Install PostgreSQL's client programs (Debian: apt-get install postgresql-client).",
        )
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    # Not on the command line, which everybody on the host can see.
    secret = {"PGPASSWORD": str(url.password)} if url.password is not None else {}
    ran = subprocess.run(
        [program, "--format=custom", f"--file={path}", f"--dbname={plain}"],
        env=os.environ | secret,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        raise StoreError(
            "pg_dump failed",
            where=url.render_as_string(),
            got=" | ".join(ran.stderr.split("\n")[:2]),
            cure="It must not be older than the server, and its user must be able to read the tables.",
        )
