"""Whatever is done to store, ledger and heads: verification tells of it, or finds the record as it was."""

import json
import shutil
import sqlite3
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_core.errors import Unverified
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import Verdict
from arc_core.experiments.runs import Runs
from arc_core.experiments.verification import Verified, seal, verify
from arc_core.provenance.heads import Heads
from arc_core.provenance.ledger import GENESIS
from arc_core.settings import load_settings
from tests.contracts.records import RESULT, STUDY, approve, holding
from tests.security.strategies import AGAIN, DEEP, TREES


class Home(NamedTuple):
    folder: Path
    found: Verified

    def again(self) -> Verified:
        config = load_settings(home=self.folder)
        with closing(Memory(f"sqlite:///{self.folder / 'arc.db'}")) as memory:
            return verify(memory.database, Heads(config.anchors_folder), Runs.of(config))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Home:
    """A small record: a study, an experiment with a result of one file, a verdict, and a signed head."""
    home = tmp_path_factory.mktemp("fuzz") / "home"
    config = load_settings(home=home)
    with closing(Memory(f"sqlite:///{home / 'arc.db'}")) as memory:
        memory.register_study(STUDY)
        (experiment,) = approve(memory, 1)
        lease = holding(memory, experiment)
        cases = home / "runs" / experiment / "cases.json"
        cases.parent.mkdir(parents=True)
        cases.write_text("[]")
        files = {"cases.json": sha256(b"[]").hexdigest()}
        memory.keep_result(experiment, RESULT.model_copy(update={"files": files}), lease.id)
        about = {"metric": "mean_dice", "champion_id": None, "comparisons": 0, "reason": ""}
        memory.keep_verdict(STUDY.id, Verdict(experiment_id=experiment, outcome="baseline", **about))
        seal(memory.ledger, config)
        memory.database.settle()
    home = Home(home, found=None)
    return home._replace(found=home.again())


@pytest.fixture
def copy(made, tmp_path):
    """Makes fresh copies of that record, one for each example."""

    def copied() -> Home:
        shutil.rmtree(tmp_path / "all", ignore_errors=True)
        shutil.copytree(made.folder.parent, tmp_path / "all")
        return made._replace(folder=tmp_path / "all" / "home")

    return copied


CELLS = {
    "ledger": ["number", "kind", "subject", "hash", "body"],
    "studies": ["id", "dataset_sha256", "dataset", "split", "created"],
    "experiments": ["id", "spec", "started", "ended", "status"],
    "results": ["experiment_id", "body", "files"],
    "verdicts": ["experiment_id", "body"],
}
PLACES = st.sampled_from([(table, column) for table, columns in CELLS.items() for column in columns])
VALUES = st.one_of(
    st.sampled_from(
        [None, "{}", "[]", "null", '"x"', "{bad", DEEP, GENESIS, "2026-01-01 00:00:00", 10**18, -1]
    ),
    st.integers(-3, 30),
    st.binary(max_size=8),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


def unguarded(home: Home) -> sqlite3.Connection:
    db = sqlite3.connect(home.folder / "arc.db")
    for name in ("ledger_no_update", "ledger_no_delete", "ledger_no_replace"):
        db.execute(f"DROP TRIGGER IF EXISTS {name}")
    return db


def is_told_or_equal(home: Home) -> None:
    try:
        found = home.again()
    except Unverified as error:
        assert str(error)
    else:
        assert found == home.found


@settings(AGAIN, max_examples=150)
@given(place=PLACES, value=VALUES, row=st.integers(0, 12), deletes=st.booleans())
def test_stores(copy, place, value, row, deletes):
    home, (table, column) = copy(), place
    with closing(unguarded(home)) as db, suppress(sqlite3.IntegrityError), db:
        at = f"WHERE rowid = (SELECT rowid FROM {table} LIMIT 1 OFFSET {row})"
        if deletes and value is None:
            db.execute(f"DELETE FROM {table} {at}")
        else:
            db.execute(f"UPDATE {table} SET {column} = ? {at}", (value,))
    is_told_or_equal(home)


@settings(AGAIN, max_examples=100)
@given(
    number=st.integers(1, 9),
    key=st.sampled_from(["at", "kind", "subject", "facts", "outputs", "inputs", "x"]),
    value=TREES,
)
def test_events_whose_hashes_were_made_anew(copy, number, key, value):
    """As who lacks the signing key alone could write them."""
    home = copy()
    with closing(unguarded(home)) as db, db:
        rows = db.execute("SELECT number, body FROM ledger ORDER BY number").fetchall()
        previous = GENESIS
        for at, body in rows:
            said = json.loads(body) | {"previous": previous} | ({key: value} if at == number else {})
            try:
                body = json.dumps(said)
            except ValueError:  # of more digits than Python writes
                return
            previous = sha256(body.encode()).hexdigest()
            db.execute("UPDATE ledger SET hash = ?, body = ? WHERE number = ?", (previous, body, at))
    is_told_or_equal(home)


@settings(AGAIN, max_examples=150)
@given(data=st.data())
def test_heads(copy, data):
    home = copy()
    (path,) = home.folder.with_name("home-anchors").iterdir()
    whole = path.read_bytes()
    start, end = sorted(data.draw(st.tuples(*[st.integers(0, len(whole))] * 2)))
    junk = st.one_of(st.binary(max_size=30), TREES.map(_json))
    path.write_bytes(whole[:start] + data.draw(junk) + whole[end:])
    if path.read_bytes():
        is_told_or_equal(home)


def _json(tree: object) -> bytes:
    try:
        return json.dumps(tree).encode()
    except ValueError:
        return DEEP.encode()
