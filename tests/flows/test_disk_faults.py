"""A disk that is full or can't be written to: the command says so, and nothing recorded is damaged."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from arc_core.training.checkpoint import PREFIX
from tests.command import TWO, Finished, copied, memory_in, run_cycle, start_cycle
from tests.disk import Disk, disk_at
from tests.flows.test_interrupted import wait_until

LONG = (*TWO, "data.split_seed=1", "spec.epochs=200", "spec.image_size_px=64", "launch.checkpoint_every_s=0")


@pytest.fixture
def disk(one_cycle: Finished, tmp_path: Path) -> Iterator[Disk]:
    """A small disk with a home on it, `home`, in which one cycle ran."""
    with disk_at(tmp_path / "disk", mib=24) as disk:
        copied(one_cycle.home, disk.root / "home")
        yield disk


def rows(home: Path) -> list[str]:
    with closing(sqlite3.connect(f"file:{home / 'arc.db'}?mode=ro", uri=True)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return list(db.iterdump())


def outcomes(home: Path) -> set[str]:
    memory = memory_in(home)
    return {each.outcome.status for study in memory.studies() for each in memory.experiments(study)}


def test_a_full_disk_is_named_and_costs_nothing(disk, prefect_server):
    home = disk.root / "home"
    before = rows(home)
    disk.fill()
    ran = run_cycle(home, *TWO, PREFECT_API_URL=prefect_server)
    assert ran.code == 2
    assert "StoreError: " in ran.err
    assert re.search(r"(disk is full|No space left on device)\. Make room on (its|the) disk", ran.err)
    # The database's own file may still have had room for what the next cycle began with.
    recorded = {
        row for row in before if re.match('INSERT INTO "(cycles|decisions|experiments|results)"', row)
    }
    assert recorded
    assert recorded <= set(rows(home))
    disk.empty()
    ran = run_cycle(home, *TWO, PREFECT_API_URL=prefect_server)
    assert ran.code == 0, ran.err
    assert [each.number for each in ran.memory.cycles(ran.study)] == [1, 2]


def test_a_disk_that_fills_up_in_training_loses_no_work(disk, prefect_server):
    home = disk.root / "home"
    process = start_cycle(home, *LONG, PREFECT_API_URL=prefect_server)
    wait_until(lambda: list(home.glob(f"runs/*/fold-*/{PREFIX}*")), process)
    disk.fill()
    _, said = process.communicate()
    assert process.returncode == 2, said
    assert "disk is full" in said
    assert "Make room" in said
    rows(home)
    disk.empty()
    ran = run_cycle(home, *LONG, PREFECT_API_URL=prefect_server)
    assert ran.code == 0, ran.err
    assert outcomes(home) == {"finished"}


def test_a_disk_that_is_read_only_is_named(disk, prefect_server):
    home = disk.root / "home"
    before = rows(home)
    disk.set("ro")
    ran = run_cycle(home, *TWO, PREFECT_API_URL=prefect_server)
    assert ran.code == 2
    assert "StoreError: " in ran.err
    assert str(home) in ran.err
    assert "read-only" in ran.err.lower()
    disk.set("rw")
    assert rows(home) == before
