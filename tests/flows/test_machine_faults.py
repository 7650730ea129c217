"""The command when the machine fails it: one line that says what to do, exit 2, and nothing lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.command import TWO, Finished, copied, run_cycle


@pytest.fixture
def home(one_cycle: Finished, tmp_path: Path) -> Path:
    return copied(one_cycle.home, tmp_path / "home")


def rows(home: Path) -> list[str]:
    with closing(sqlite3.connect(home / "arc.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return list(db.iterdump())


def need_one_line(ran: Finished) -> None:
    assert ran.code == 2, ran.err
    assert ran.err.startswith("StoreError: ")
    assert len(ran.err.splitlines()) == 1


def test_a_store_that_another_program_locks(home: Path, prefect_server: str) -> None:
    before = rows(home)
    url = f"sqlite:///{home / 'arc.db'}?timeout=1"
    with closing(sqlite3.connect(home / "arc.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ran = run_cycle(home, *TWO, ARC_DATABASE_URL=url, PREFECT_API_URL=prefect_server)
    need_one_line(ran)
    assert f"another program has held its lock for 1 s. Find it with `fuser {home / 'arc.db'}`" in ran.err
    assert rows(home) == before


def test_a_lock_file_that_is_a_folder(home: Path, prefect_server: str) -> None:
    before = rows(home)
    (home / "cycle.lock").unlink()
    (home / "cycle.lock").mkdir()
    ran = run_cycle(home, *TWO, PREFECT_API_URL=prefect_server)
    need_one_line(ran)
    assert f"{home / 'cycle.lock'}: it can't be written: Is a directory" in ran.err
    assert rows(home) == before


def test_a_file_where_the_runs_belong(home: Path, one_cycle: Finished, prefect_server: str) -> None:
    (home / "runs").rename(home / "moved")
    (home / "runs").write_text("")
    ran = run_cycle(home, *TWO, ARC_WARM_WORKERS="false", PREFECT_API_URL=prefect_server)
    need_one_line(ran)
    assert f"{home / 'runs'}" in ran.err
    assert "move it away" in ran.err
    known = {each.id for each in one_cycle.memory.experiments(one_cycle.study)}
    left = [each.outcome for each in ran.memory.experiments(ran.study) if each.id not in known]
    assert [each.status for each in left] == ["stopped"] * len(left)
    assert left
