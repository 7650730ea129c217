"""What becomes of a store when its machine fails it: it says so, and keeps what it had."""

import multiprocessing
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event

from arc_core.errors import StoreError
from arc_core.experiments.memory import Memory
from tests.contracts.records import RESULT, STUDY, approve

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with one finished experiment."""
    path = tmp_path / "arc.db"
    with closing(Memory(f"sqlite:///{path}")) as memory:
        memory.register_study(STUDY)
        memory.keep_result(approve(memory, 1)[0], RESULT)
    return path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program has begun to write, and does not end."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


def is_sound(path: Path) -> bool:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_a_lock_that_does_not_end_is_explained_and_loses_nothing(path: Path) -> None:
    with closing(Memory(f"sqlite:///{path}?timeout=0.2")) as memory:
        with locked(path):
            said = rf"{path}.*another program has held its lock for 0\.2 s.*fuser {path}"
            with pytest.raises(StoreError, match=said):
                approve(memory, 2)
            assert len(memory.experiments(STUDY.id)) == 1, "reading goes on"
        approve(memory, 2)
        assert len(memory.experiments(STUDY.id)) == 2


def test_a_locked_store_is_opened_and_read(path: Path) -> None:
    with locked(path), closing(Memory(f"sqlite:///{path}?timeout=0.2")) as memory:
        assert len(memory.experiments(STUDY.id)) == 1


def _write_until_it_fails(memory: Memory) -> tuple[int, str]:
    """How many experiments were recorded, and what was said of the next."""
    seed = 1
    while True:
        try:
            approve(memory, seed + 1)
            memory.end_cycle(memory.begin_cycle(STUDY.id).id)
        except StoreError as error:
            return len(memory.experiments(STUDY.id)), str(error)
        seed += 1


def _write_to_a_small_disk(
    path: Path, limit_bytes: int, told: "multiprocessing.connection.Connection"
) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    with closing(Memory(f"sqlite:///{path}")) as memory:
        told.send(_write_until_it_fails(memory))


def test_a_file_that_can_grow_no_more_keeps_what_was_recorded(path: Path) -> None:
    ours, theirs = SPAWN.Pipe()
    limit_bytes = path.stat().st_size + 200_000
    process = SPAWN.Process(target=_write_to_a_small_disk, args=(path, limit_bytes, theirs))
    process.start()
    theirs.close()
    recorded, said = ours.recv()
    process.join()
    assert recorded > 1
    assert "the store can't be used" in said
    assert str(path) in said
    assert is_sound(path)
    with closing(Memory(f"sqlite:///{path}")) as memory:
        assert len(memory.experiments(STUDY.id)) == recorded
        approve(memory, 1000)


def test_a_full_disk_is_explained_and_keeps_what_was_recorded(path: Path) -> None:
    """SQLite's own limit on pages ends in the very error that a full disk does."""

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count=100")

    event.listen(Engine, "connect", limit)
    try:
        with closing(Memory(f"sqlite:///{path}")) as memory:
            recorded, said = _write_until_it_fails(memory)
    finally:
        event.remove(Engine, "connect", limit)
    assert "disk is full" in said
    assert f"Make room on the disk of {path}" in said
    assert is_sound(path)
    with closing(Memory(f"sqlite:///{path}")) as memory:
        assert len(memory.experiments(STUDY.id)) == recorded
        approve(memory, 1000)


def test_a_file_in_place_of_its_folder_is_explained(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(StoreError, match=rf"{tmp_path}/home.*File exists.*move it away"):
        Memory(f"sqlite:///{tmp_path}/home/arc.db")
