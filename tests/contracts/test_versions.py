"""What every store must do when another version of ARC wrote it."""

import logging
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event, inspect, make_url, select, update

from arc_core.errors import StoreError
from arc_core.experiments import tables
from arc_core.experiments.board import Decision, Directive, Proposal, Review, Vote
from arc_core.experiments.database import Database
from arc_core.experiments.memory import Memory
from arc_core.experiments.upgrade import STEPS, migrate
from tests.contracts.old_store import VERSION, write_old_store

SPAWN = multiprocessing.get_context("spawn")
OPENERS = 4


@pytest.fixture
def old_store(store_url: str) -> str:
    write_old_store(store_url)
    return store_url


def engine_of(url: str) -> Engine:
    """Past ARC's own door, which would bring it up to date."""
    parsed = make_url(url)
    return create_engine(
        parsed if parsed.get_backend_name() == "sqlite" else parsed.set(drivername="postgresql+psycopg")
    )


def version_in(url: str) -> int:
    engine = engine_of(url)
    with engine.connect() as db:
        version = db.scalar(select(tables.schema.c.version))
    engine.dispose()
    return version


def differences(url: str) -> list[object]:
    """What alembic would have to change for the tables to be those of the code."""
    engine = engine_of(url)
    with engine.connect() as db:
        found = compare_metadata(MigrationContext.configure(db, opts={"compare_type": True}), tables.metadata)
    engine.dispose()
    return found


def test_everything_in_an_old_store_is_read(old_store: str) -> None:
    with closing(Memory(old_store)) as memory:
        (study,) = memory.studies()
        assert memory.study(study).simulated
        (cycle,) = memory.cycles(study)
        assert (cycle.number, cycle.status) == (1, "finished")
        experiments = memory.experiments(study)
        assert [each.outcome.status for each in experiments] == ["finished", "finished"]
        for each in experiments:
            result = memory.result(each.id)
            assert {"plan.json", "cases.json", "fold-0/model.pt"} <= result.files.keys()
            assert len(result.curve) == result.folds * each.outcome.spec.epochs
        assert [verdict.outcome for verdict in memory.verdicts(study)] == ["baseline", "promote"]
        assert memory.champion(study) == experiments[1]
        leases = memory.leases.of_study(study)
        assert {lease.request.experiment_id for lease in leases} == {each.id for each in experiments}
        assert all(lease.granted <= lease.released for lease in leases)
        calls = memory.calls.of_cycle(cycle.id)
        assert [call.role for call in calls] == [call.role for call in memory.calls.of_study(study)]
        assert {"historian", "director", "supervisor"} <= {call.role for call in calls}
        said = {
            kind: len(memory.kept(cycle.id, kind)) for kind in (Directive, Proposal, Review, Decision, Vote)
        }
        assert said == {Directive: 1, Proposal: 7, Review: 14, Decision: 7, Vote: 48}
        assert memory.begin_cycle(study).number == 2


def test_an_old_store_gets_the_tables_of_the_code(old_store: str) -> None:
    Memory(old_store).close()
    assert version_in(old_store) == tables.SCHEMA_VERSION
    assert differences(old_store) == []


def test_the_ledger_of_an_old_store_begins_with_its_upgrade(old_store: str) -> None:
    with closing(Memory(old_store)) as memory:
        (entry,) = memory.ledger.entries()
    assert entry.event.kind == "store.upgraded"
    assert entry.event.facts == {"from version": VERSION, "to version": tables.SCHEMA_VERSION}


def test_a_new_store_has_the_tables_of_the_code(store_url: str) -> None:
    Memory(store_url).close()
    assert differences(store_url) == []


def test_the_steps_lead_from_nothing_to_the_tables_of_the_code(store_url: str) -> None:
    engine = engine_of(store_url)
    with engine.begin() as db:
        migrate(db, "base")
    engine.dispose()
    assert differences(store_url) == []


def test_the_last_step_is_the_version_of_the_code() -> None:
    steps = ScriptDirectory(STEPS, version_locations=[STEPS])
    assert steps.get_heads() == [str(tables.SCHEMA_VERSION)]


def test_an_old_sqlite_store_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'arc.db'}"
    write_old_store(url)
    with closing(sqlite3.connect(tmp_path / "arc.db")) as db:
        before = list(db.iterdump())
    Memory(url).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arc.db", f"arc.v{VERSION}.db"]
    with closing(sqlite3.connect(tmp_path / f"arc.v{VERSION}.db")) as db:
        assert list(db.iterdump()) == before


def _open_at_once(url: str, start: "multiprocessing.synchronize.Barrier") -> None:
    start.wait(timeout=60)
    Memory(url).close()


def _open_each_at_once(folder: Path, start: "multiprocessing.synchronize.Barrier") -> None:
    for path in sorted(folder.glob("*.db")):
        _open_at_once(f"sqlite:///{path}", start)


def test_files_that_are_not_in_wal_mode_yet_may_be_opened_at_once(tmp_path: Path) -> None:
    """SQLite refuses the switch without a wait where another process makes it: once in twenty such files."""
    for number in range(60):
        with closing(sqlite3.connect(tmp_path / f"{number}.db")) as db:
            db.execute("CREATE TABLE other (x)")
    start = SPAWN.Barrier(OPENERS)
    processes = [SPAWN.Process(target=_open_each_at_once, args=(tmp_path, start)) for _ in range(OPENERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * OPENERS


def test_of_processes_that_open_it_at_once_one_changes_it(old_store: str) -> None:
    """A second change would fail: what it makes is there already."""
    start = SPAWN.Barrier(OPENERS)
    processes = [SPAWN.Process(target=_open_at_once, args=(old_store, start)) for _ in range(OPENERS)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * OPENERS
    assert differences(old_store) == []


def _die_before_the_end(url: str) -> None:
    @event.listens_for(Engine, "after_cursor_execute")
    def kill(connection: object, cursor: object, statement: str, *more: object) -> None:
        if statement.startswith("UPDATE arc_schema"):
            os.kill(os.getpid(), signal.SIGKILL)

    Memory(url)


def test_a_change_that_is_killed_leaves_the_old_store_whole(old_store: str) -> None:
    process = SPAWN.Process(target=_die_before_the_end, args=(old_store,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert version_in(old_store) == VERSION
    assert differences(old_store) != []
    with closing(Memory(old_store)) as memory:
        assert len(memory.experiments(memory.studies()[0])) == 2
    assert differences(old_store) == []


@pytest.mark.parametrize(
    ("version", "said"),
    [
        (99, "a newer ARC.*Update ARC"),
        (2, "never released.*Use the ARC"),
        (0, "its version was changed.*restore a backup"),
    ],
)
def test_an_unknown_version_is_refused_untouched(store_url: str, version: int, said: str) -> None:
    with closing(Database(store_url)) as database, database.write() as db:
        db.execute(update(tables.schema).values(version=version))
    with pytest.raises(StoreError, match=rf"{said}"):
        Memory(store_url)
    assert version_in(store_url) == version


@pytest.mark.parametrize("version", range(3, tables.SCHEMA_VERSION))
def test_a_version_that_was_set_back_is_told_and_nothing_changed(store_url: str, version: int) -> None:
    with closing(Database(store_url)) as database, database.write() as db:
        db.execute(update(tables.schema).values(version=version))
    with pytest.raises(StoreError, match=rf"set back.*version {version}.*unchanged. Restore a backup"):
        Memory(store_url)
    assert version_in(store_url) == version
    assert differences(store_url) == []
    if store_url.startswith("sqlite"):
        assert not list(Path(make_url(store_url).database).parent.glob("arc.v*.db"))


STEP = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "{new}", "{old}"


def upgrade():
    with op.batch_alter_table("experiments") as table:
        table.alter_column("reason", existing_type=sa.Text(), nullable=True)
"""


def test_a_step_may_alter_a_table_that_others_refer_to(
    old_store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite can only rebuild it, and drops the old one with all that refers to it still there."""
    steps = Path(shutil.copytree(STEPS, tmp_path / "steps"))
    old, new = tables.SCHEMA_VERSION, tables.SCHEMA_VERSION + 1
    (steps / f"v{new}.py").write_text(STEP.format(old=old, new=new))
    monkeypatch.setattr("arc_core.experiments.upgrade.STEPS", steps)
    monkeypatch.setattr(tables, "SCHEMA_VERSION", new)
    with closing(Memory(old_store)) as memory:
        ids = [each.id for each in memory.experiments(memory.studies()[0])]
        assert all(memory.result(each) is not None for each in ids)
    engine = engine_of(old_store)
    columns = {column["name"]: column for column in inspect(engine).get_columns("experiments")}
    engine.dispose()
    assert columns["reason"]["nullable"]
    assert version_in(old_store) == new


def test_a_store_that_is_up_to_date_waits_for_no_alembic(tmp_path: Path) -> None:
    code = (
        "import sys; from arc_core.experiments.memory import Memory; Memory(sys.argv[1]); print(*sys.modules)"
    )
    for _ in ("made", "opened again"):
        ran = subprocess.run(
            [sys.executable, "-c", code, f"sqlite:///{tmp_path / 'arc.db'}"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert not [name for name in ran.stdout.split() if name.startswith("alembic")]


def test_a_change_leaves_logging_as_it_was(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'arc.db'}"
    write_old_store(url)
    root = logging.getLogger()
    before = (root.level, list(root.handlers), logging.root.manager.disable)
    Memory(url).close()
    assert (root.level, list(root.handlers), logging.root.manager.disable) == before


def test_a_store_whose_rows_refer_to_nothing_is_not_changed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'arc.db'}"
    write_old_store(url)
    with closing(sqlite3.connect(tmp_path / "arc.db")) as db, db:
        db.execute("DELETE FROM experiments")
    with pytest.raises(StoreError, match=r"refers to one that is not there.*It is unchanged"):
        Memory(url)
    assert version_in(url) == VERSION
