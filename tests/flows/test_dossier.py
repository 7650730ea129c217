"""`python -m flows.dossier verify` on a real cycle: whatever is done to the record afterwards is named."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner

from arc_core.errors import Unverified
from arc_core.experiments.memory import Memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.verification import Verified, seal, verify
from arc_core.provenance.heads import KEY, Heads
from arc_core.provenance.ledger import enter
from arc_core.settings import load_settings
from tests.command import TWO, environment, run_cycle
from tests.conftest import ROOT
from tests.contracts.old_store import write_old_store
from tests.contracts.records import STUDY

GUARDS = ("ledger_no_update", "ledger_no_delete", "ledger_no_replace")


def verified(home: Path, key: str = "", **overrides: Path) -> Verified:
    settings = load_settings(home=home, **overrides)
    with closing(Memory(f"sqlite:///{home / 'arc.db'}")) as memory:
        return verify(memory.database, Heads(settings.anchors_folder), Runs.of(settings), key=key)


def first_fault(home: Path, key: str = "", **overrides: Path) -> str:
    with pytest.raises(Unverified) as found:
        verified(home, key, **overrides)
    return str(found.value)


def command(home: Path, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flows.dossier", "verify", *arguments],
        cwd=ROOT,
        env=environment(home, **variables),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A folder with a home after a cycle, and its heads beside it."""
    folder = tmp_path_factory.mktemp("made")
    assert run_cycle(folder / "home", *TWO, ARC_OPERATOR="Eye Clinic").code == 0
    return folder


@pytest.fixture
def home(made, tmp_path) -> Path:
    """A copy of it to do harm to."""
    shutil.copytree(made, tmp_path / "copy", ignore=shutil.ignore_patterns("prefect", "warm"))
    return tmp_path / "copy" / "home"


def change(home: Path, *statements: str) -> None:
    """As somebody would who has the database's file: its own refusal is taken away first."""
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        for name in GUARDS:
            db.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            assert db.execute(statement).rowcount, statement


def events(home: Path) -> list[dict]:
    with closing(Memory(f"sqlite:///{home / 'arc.db'}")) as memory:
        return [json.loads(entry.body) for entry in memory.ledger.entries()]


def test_a_record_as_it_was_written_is_verified(home):
    ran = command(home)
    assert ran.returncode == 0, ran.stderr
    assert "signed with key" in ran.stdout
    assert "Verified" in ran.stdout
    assert "could be cut off" not in ran.stdout
    told = events(home)
    assert {event["actor"]["acts_for"] for event in told} == {"Eye Clinic"}
    assert {event["origin"]["lock"] for event in told} != {""}
    kinds = {event["kind"] for event in told}
    assert {"proposal.made", "review.given", "decision.taken", "run.started", "champion.promoted"} <= kinds


LAST = "(SELECT max(number) FROM ledger)"


def swap_checkpoint(home: Path) -> None:
    first, second = sorted(home.glob("runs/*/fold-0/model.*"))[:2]
    first.write_bytes(second.read_bytes() + b" ")


def sign_anew(home: Path) -> None:
    """With another key, which the ledger does not know."""
    (home / KEY).write_bytes(CryptoSigner.generate_ed25519().private_bytes)
    (anchors,) = home.with_name("home-anchors").iterdir()
    anchors.unlink()
    with closing(Memory(f"sqlite:///{home / 'arc.db'}")) as memory:
        seal(memory.ledger, load_settings(home=home))
    change(
        home, f"DELETE FROM ledger WHERE number = {LAST}"
    )  # but for the declaration it would be one more key


def edited(body: str) -> str:
    return f"UPDATE ledger SET body = replace(body, {body}) WHERE number = 5"


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda home: change(home, edited("'offline', 'human'")), "event 5 was changed"),
        (lambda home: change(home, "DELETE FROM ledger WHERE number = 5"), "event 5 is missing"),
        (
            lambda home: change(
                home,
                "UPDATE ledger SET number = -1 WHERE number = 5",
                "UPDATE ledger SET number = 5 WHERE number = 6",
                "UPDATE ledger SET number = 6 WHERE number = -1",
            ),
            "event 5 (",
        ),
        (
            lambda home: change(home, f"DELETE FROM ledger WHERE number > {LAST} - 3"),
            "what followed are cut off",
        ),
        (lambda home: change(home, "DELETE FROM ledger"), "the store has a row of study-"),
        (sign_anew, "the ledger did not declare"),
        (
            lambda home: change(
                home, "UPDATE results SET body = replace(body, '\"low\": 0.', '\"low\": 0.9')"
            ),
            "the store's row of exp-",
        ),
        (
            lambda home: change(home, "UPDATE verdicts SET body = replace(body, 'baseline', 'promote')"),
            "the store's row of exp-",
        ),
        (lambda home: change(home, "DELETE FROM verdicts"), "is gone from the store"),
        (lambda home: change(home, "UPDATE studies SET split = '{}'"), "the store's row of study-"),
        (
            lambda home: change(
                home, "UPDATE experiments SET spec = replace(spec, '\"seed\": 0', '\"seed\": 1')"
            ),
            "the store's row of exp-",
        ),
        (
            lambda home: change(home, "UPDATE experiments SET repeat_of = 'exp-1' WHERE started IS NOT NULL"),
            "(run.started) describes: it was changed",
        ),
        (
            lambda home: change(
                home,
                "UPDATE reviews SET body = replace(body, '\"approve\"', '\"reject\"') WHERE position = 0",
            ),
            "(review.given) describes: it was changed",
        ),
        (
            lambda home: change(home, "DELETE FROM decisions WHERE position = 0"),
            "(decision.taken) describes is gone",
        ),
        (
            lambda home: change(home, "UPDATE ledger SET kind = 'run.stopped' WHERE kind = 'run.finished'"),
            "is filed as run.stopped of",
        ),
        (
            lambda home: change(home, "UPDATE verdicts SET outcome = 'inconclusive'"),
            "(verdict.given) describes: it was changed",
        ),
        (
            lambda home: change(
                home,
                "UPDATE experiments SET ended = '2001-01-01 00:00:00'",
                "UPDATE results SET experiment_id = 'exp-forged' WHERE rowid = 1",
                "UPDATE experiments SET id = 'exp-forged' "
                "WHERE id NOT IN (SELECT experiment_id FROM results) AND status = 'finished'",
            ),
            "of which no event (",
        ),
        (
            lambda home: change(home, "UPDATE experiments SET status = 'failed' WHERE status = 'finished'"),
            "its columns were changed",
        ),
        (
            lambda home: change(
                home, """UPDATE results SET body = replace(body, '{"metrics"', '{"metrics": {}, "metrics"')"""
            ),
            "has a key twice",
        ),
        (swap_checkpoint, "has changed since it was recorded"),
        (lambda home: next(home.glob("runs/*/cases.json")).unlink(), "cases.json is missing"),
    ],
    ids=[
        "an event edited",
        "an event deleted",
        "events reordered",
        "the tail cut off",
        "all of it deleted",
        "signed with another key",
        "a result changed",
        "a verdict changed",
        "verdicts deleted",
        "the split changed",
        "a spec changed",
        "an idea passed off as a repeat",
        "a review changed",
        "a decision deleted",
        "an event filed as another",
        "the champion's outcome changed beside its record",
        "a row put in with an old date",
        "an experiment's status changed",
        "a key put in a second time",
        "a checkpoint swapped",
        "a file deleted",
    ],
)
def test_whatever_was_done_is_named(home, harm: Callable[[Path], object], fault: str):
    harm(home)
    assert fault in first_fault(home)


def write_anew(home: Path, number: int, without: str = "") -> None:
    """As who has the key, but not the heads: from that event on the whole chain is consistent again."""
    with closing(Memory(f"sqlite:///{home / 'arc.db'}")) as memory:
        entries = list(memory.ledger.entries())
    rows, last = [], None
    for entry in entries:
        event = entry.event
        if event.kind == without:
            event = event.model_copy(update={"kind": "deviation.recorded", "facts": {}})
        if entry.number == number:
            event = event.model_copy(update={"reason": "a better one"})
        last = enter(event, last and last[:2])
        rows.append((last.hash, last.body, event.kind, last.number))
    change(home, "UPDATE ledger SET kind = kind")
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        db.executemany("UPDATE ledger SET hash = ?, body = ?, kind = ? WHERE number = ?", rows)


def test_a_ledger_written_anew_differs_from_its_heads(home):
    write_anew(home, 5)
    fault = first_fault(home)
    assert "is not the one that was signed" in fault
    assert "the ledger was written anew" in fault


@pytest.mark.parametrize("without", ["", "key.declared"])
@pytest.mark.parametrize("is_signed_again", [False, True])
def test_a_ledger_written_anew_from_its_first_event_has_its_old_heads_beside_it(
    home, without, is_signed_again
):
    """Under another name, so that no line contradicts it; the key tells. ARC itself signs the forged one."""
    write_anew(home, 1, without)
    if is_signed_again:
        with closing(Memory(f"sqlite:///{home / 'arc.db'}")) as memory:
            seal(memory.ledger, load_settings(home=home))
    assert "written anew from its first event on" in first_fault(home)


def test_a_ledger_written_anew_with_a_new_key_is_found_by_the_key_that_was_noted(home):
    key = next(event["facts"]["key"] for event in events(home) if event["kind"] == "key.declared")
    write_anew(home, 1, "key.declared")
    (home / KEY).unlink()
    assert "1 other ledger lie there too" in command(home).stdout
    assert f"no head of this ledger is signed with key {key[:12]}" in first_fault(home, key[:12])


def test_homes_may_have_their_heads_in_one_folder(home, tmp_path):
    shared = tmp_path / "shared"
    shutil.copytree(home.with_name("home-anchors"), shared)
    other = tmp_path / "other"
    other.mkdir()
    with closing(Memory(f"sqlite:///{other / 'arc.db'}")) as memory:
        memory.register_study(STUDY)
        assert verified(other, anchors=shared).others == 1, "before its first head"
        seal(memory.ledger, load_settings(home=other, anchors=shared))
    assert verified(other, anchors=shared).others == verified(home, anchors=shared).others == 1
    write_anew(home, 1)
    assert "written anew from its first event on" in first_fault(home, anchors=shared)
    assert verified(other, anchors=shared).others == 1


def test_verifying_a_folder_changes_nothing_in_it(tmp_path):
    """Not even a store of an older ARC, which would be brought up to date where it is opened."""
    (tmp_path / "old").mkdir()
    write_old_store(f"sqlite:///{tmp_path / 'old' / 'arc.db'}")
    before = (tmp_path / "old" / "arc.db").read_bytes()
    ran = command(tmp_path / "home", str(tmp_path / "old"))
    assert ran.returncode == 1
    assert (
        "is missing" in ran.stderr
    )  # no event tells of its rows, which are older than any; its files are gone
    assert [path.name for path in (tmp_path / "old").iterdir()] == ["arc.db"]
    assert (tmp_path / "old" / "arc.db").read_bytes() == before


def test_only_the_key_that_was_noted_may_have_signed(home):
    key = next(event["facts"]["key"] for event in events(home) if event["kind"] == "key.declared")
    assert command(home, "--key", key[:12]).returncode == 0
    assert "is not signed with the key given (--key)" in first_fault(home, key="0" * 12)


def test_a_named_folder_of_heads_that_is_none_is_an_error(home, tmp_path):
    """An unmounted disk, a slip of the pen: without heads a ledger that was cut would be verified."""
    (file,) = home.with_name("home-anchors").iterdir()
    for ran in (
        command(home, "--heads", str(file)),
        command(home, "--heads", str(tmp_path / "none")),
        command(home, ARC_ANCHORS=str(tmp_path / "none")),
    ):
        assert (ran.returncode, ran.stdout) == (2, "")
        assert "there is no folder of signed heads" in ran.stderr
    moved = home.with_name("home-anchors").rename(tmp_path / "elsewhere")
    for ran in (command(home, "--heads", str(moved)), command(home, ARC_ANCHORS=str(moved))):
        assert "signed with key" in ran.stdout
    home.with_name("home-anchors").write_text("a file")
    assert command(home).returncode == 2


def test_a_version_that_was_set_back_is_told_of_the_store_itself(home):
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        db.execute("UPDATE arc_schema SET version = version - 1")
    ran = command(home)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert f"{home / 'arc.db'}: the store's tables are not those of the version" in ran.stderr


def test_events_after_the_last_head_are_told(home):
    (heads,) = home.with_name("home-anchors").iterdir()
    heads.write_bytes(b"")
    ran = command(home)
    assert ran.returncode == 0
    assert f"No signed head vouches for the last {len(events(home))} events" in ran.stdout


def test_a_backup_is_verified_by_its_own_heads(home):
    made = subprocess.run(
        [sys.executable, "-m", "flows.backup", "--out", home.parent / "backup"],
        cwd=ROOT,
        env=environment(home),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    shutil.rmtree(home)
    shutil.rmtree(home.with_name("home-anchors"))
    ran = command(home, str(home.parent / "backup"))
    assert ran.returncode == 0, ran.stderr
    swap_checkpoint(home.parent / "backup")
    ran = command(home, str(home.parent / "backup"))
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("Unverified: ")


def test_where_there_is_no_store_there_is_nothing_to_command(tmp_path):
    for arguments in ((), (str(tmp_path),)):
        ran = command(tmp_path / "home", *arguments)
        assert ran.returncode == 2
        assert "there is no store to verify" in ran.stderr
        assert not (tmp_path / "home" / "arc.db").exists()


def test_heads_that_cannot_be_written_are_told_before_anything_runs(tmp_path):
    (tmp_path / "file").write_text("")
    ran = run_cycle(tmp_path / "home", *TWO, ARC_ANCHORS=str(tmp_path / "file"))
    assert ran.code == 2
    assert "StoreError" in ran.err
    assert str(tmp_path / "file") in ran.err
