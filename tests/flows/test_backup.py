"""`python -m flows.backup`: what is kept can be restored, whatever was being written meanwhile."""

import json
import multiprocessing
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import make_url

from arc_core.experiments.memory import Memory
from arc_core.provenance.canonical import sha256_of_file
from arc_core.provenance.files import write_atomically
from tests.command import TINY, Finished, copied, environment, memory_in, run_cycle
from tests.contracts.records import RESULT, STUDY, approve

SPAWN = multiprocessing.get_context("spawn")


def back_up(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flows.backup", *arguments],
        cwd=home.parent,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
    )


def write_results(home: Path, url: str, over: "multiprocessing.synchronize.Event") -> None:
    """Finish one experiment after the other, files first, as a training does."""
    with closing(Memory(url)) as memory:
        memory.register_study(STUDY)
        seed = 0
        while not over.is_set():
            seed += 1
            (made,) = approve(memory, seed)
            run, files = home / "runs" / made, {}
            for name in ("plan.json", "fold-0/done.json"):
                (run / name).parent.mkdir(parents=True, exist_ok=True)
                write_atomically(run / name, json.dumps({"seed": seed, "of": name * 1000}).encode())
                files[name] = sha256_of_file(run / name)
            memory.keep_result(made, RESULT.model_copy(update={"files": files}))
            memory.end_cycle(memory.begin_cycle(STUDY.id).id)


def finished(memory: Memory, study: str) -> list[str]:
    return [each.id for each in memory.experiments(study) if each.outcome.status == "finished"]


def wait_for_more(memory: Memory, process: "multiprocessing.process.BaseProcess") -> int:
    """Until the writer has finished another three experiments."""
    before = len(finished(memory, STUDY.id)) if STUDY.id in memory.studies() else 0
    while STUDY.id not in memory.studies() or len(finished(memory, STUDY.id)) < before + 3:
        assert process.is_alive()
        time.sleep(0.05)
    return before + 3


def need_every_file(home: Path, memory: Memory) -> int:
    """Each result's files are there and are what was measured; how many results there are."""
    ids = [each for study in memory.studies() for each in finished(memory, study)]
    for each in ids:
        for name, sha256 in memory.result(each).files.items():
            assert sha256_of_file(home / "runs" / each / name) == sha256, f"{each}/{name}"
    return len(ids)


@pytest.fixture
def home(one_cycle: Finished, tmp_path: Path) -> Iterator[Path]:
    """A home after a real cycle, in which a server of warm workers listens."""
    home = copied(one_cycle.home, tmp_path / "home")
    (home / "warm").mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as live, pytest.MonkeyPatch.context() as patch:
        patch.chdir(home / "warm")
        live.bind("server.sock")  # a relative name: the whole path may be too long for one
        patch.undo()
        live.listen()
        yield home


def test_a_backup_taken_while_others_write_is_restored_whole(home: Path, tmp_path: Path) -> None:
    over = SPAWN.Event()
    writer = SPAWN.Process(target=write_results, args=(home, f"sqlite:///{home / 'arc.db'}", over))
    writer.start()
    try:
        with closing(memory_in(home)) as memory:
            (study,) = set(memory.studies()) - {STUDY.id}
            champion = memory.champion(study)
            least = wait_for_more(memory, writer)
            ran = back_up(home)
            wait_for_more(memory, writer)
            written = len(finished(memory, STUDY.id))
    finally:
        over.set()
        writer.join()
    assert (writer.exitcode, ran.returncode, ran.stderr) == (0, 0, "")
    (backup,) = (home / "backups").iterdir()
    assert ran.stdout.startswith(f"backup: {backup}: the store, ")
    assert len(ran.stdout.splitlines()) == 1

    restored = Path(shutil.copytree(backup, tmp_path / "restored"))
    with closing(sqlite3.connect(restored / "arc.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with closing(memory_in(restored)) as memory:
        assert need_every_file(restored, memory) > least
        assert least <= len(finished(memory, STUDY.id)) <= written
        assert memory.champion(study) == champion
    assert (restored / "report" / "index.html").is_file()
    assert not (restored / "warm").exists()
    planned = run_cycle(restored, *TINY, "--dry-run")
    assert planned.code == 0, planned.err
    assert "cycle 2" in planned.out


def test_half_written_files_and_folds_are_left_out(home: Path, tmp_path: Path) -> None:
    (run, *_) = (home / "runs").iterdir()
    (run / ".plan.json.0123").write_text("{")
    (run / "fold-9").mkdir()
    (run / "fold-9" / "model.pt").write_text("half a model")
    (home / "report" / ".index.html.0123").write_text("<html>")
    out = tmp_path / "else" / "where"
    assert back_up(home, "--out", str(out)).returncode == 0
    names = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    assert not [name for name in names if "0123" in name or "fold-9" in name]
    assert f"runs/{run.name}/plan.json" in names
    assert sorted(path.name for path in out.parent.iterdir()) == ["where"]


def test_a_result_whose_file_is_gone_is_told(home: Path) -> None:
    (run, *_) = (home / "runs").iterdir()
    (run / "cases.json").write_text("changed")
    (run / "plan.json").unlink()
    ran = back_up(home)
    assert ran.returncode == 1
    assert "2 files of its results were missing or changed" in ran.stderr
    assert f"{run.name}/cases.json, {run.name}/plan.json" in ran.stderr
    assert len(list((home / "backups").iterdir())) == 1


def test_a_backup_never_replaces_one(home: Path, tmp_path: Path) -> None:
    ran = back_up(home, "--out", str(tmp_path))
    assert ran.returncode == 2
    assert ran.stderr.startswith(f"StoreError: {tmp_path}: it is there already")


def test_a_folder_that_can_not_be_made_is_explained(home: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = back_up(home, "--out", str(tmp_path / "file" / "backup"))
    assert ran.returncode == 2
    assert ran.stderr.startswith("StoreError: ")
    assert "Not a directory" in ran.stderr


def test_there_is_nothing_to_back_up(tmp_path: Path) -> None:
    ran = back_up(tmp_path / "home")
    assert ran.returncode == 2
    assert "there is no store to back up" in ran.stderr
    assert not (tmp_path / "home").exists()


def test_a_postgresql_store_is_dumped_and_restored(postgres, tmp_path: Path) -> None:
    home, url, empty = tmp_path / "home", postgres.new_database(), make_url(postgres.new_database())
    with closing(Memory(url)) as memory:
        memory.register_study(STUDY)
        memory.keep_result(approve(memory, 1)[0], RESULT)
        ran = back_up(home, "--out", str(tmp_path / "backup"), ARC_DATABASE_URL=url)
        assert (ran.returncode, ran.stderr) == (0, "")
        target = empty.render_as_string(hide_password=False)
        subprocess.run(
            ["pg_restore", "--no-owner", f"--dbname={target}", tmp_path / "backup" / "arc.dump"], check=True
        )
        with closing(Memory(target)) as restored:
            assert restored.experiments(STUDY.id) == memory.experiments(STUDY.id)
            assert restored.begin_cycle(STUDY.id) == memory.begin_cycle(STUDY.id)


def test_without_pg_dump_a_postgresql_store_is_not_backed_up(postgres, tmp_path: Path) -> None:
    url = postgres.new_database()
    ran = back_up(
        tmp_path / "home", "--out", str(tmp_path / "backup"), ARC_DATABASE_URL=url, PATH=str(tmp_path)
    )
    assert ran.returncode == 2
    assert "pg_dump is not installed" in ran.stderr
    assert not (tmp_path / "backup").exists()
