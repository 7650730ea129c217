"""The folder: whole or not at all, the same again, and only of a record that holds."""

import csv
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from arc_core.dossier import export as module
from arc_core.dossier.document import Document, Section, text
from arc_core.dossier.export import INDEX, export
from arc_core.dossier.facts import Facts
from arc_core.dossier.figure import Figure
from arc_core.dossier.seals.seal import seal_dossier
from arc_core.errors import ArcError, StoreError, Unfounded, Unverified
from arc_core.experiments import tables as t
from arc_core.experiments.result import CASES


@pytest.fixture
def plain(monkeypatch):
    """Without what takes long and is tested elsewhere: the model as a bundle, the seals."""
    monkeypatch.setattr(module, "write_model", lambda *_: None)
    for name in ("seal_dossier", "tell_of_dossier"):
        monkeypatch.setattr(module, name, lambda *_: None)


def files_of(folder) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_store_gives_the_same_bytes(plain, gathered, memory, settings, tmp_path):
    for name in ("one", "other"):
        export(tmp_path / name, gathered(), memory, settings)
    one, other = files_of(tmp_path / "one"), files_of(tmp_path / "other")
    assert one == other
    index = json.loads(one.pop(INDEX))
    assert index["files"] == {name: hashlib.sha256(content).hexdigest() for name, content in one.items()}
    assert {"model_card.md", "model_card.json", "estar/02_model_card.pdf"} <= one.keys()
    assert {f"{each['name']}" for each in index["documents"]} >= {"gap_report", "datasheet", "pccp_draft"}
    assert all(each["guidance_version"] for each in index["documents"])


def test_csv_files_have_a_guidance_version_where_they_map(plain, gathered, memory, settings, tmp_path):
    export(tmp_path / "out", gathered(), memory, settings)
    for name in ("claim2024", "stard_ai", "tripod_ai", "gmlp_map", "part11_map", "hazard_candidates"):
        with (tmp_path / "out" / f"{name}.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert rows, name
        assert all(row["guidance_version"] for row in rows), name


def test_a_folder_in_use_is_left_alone(plain, gathered, memory, settings, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(StoreError, match="something is there already"):
        export(tmp_path / "out", gathered(), memory, settings)
    assert files_of(tmp_path / "out") == {"mine": b"mine"}


def test_a_seal_that_fails_leaves_nothing(plain, gathered, memory, settings, tmp_path, monkeypatch):
    def fails(folder, *_):
        assert (folder / INDEX).is_file(), "the documents lie there before they are sealed"
        raise Unfounded("no")

    monkeypatch.setattr(module, "seal_dossier", fails)
    with pytest.raises(Unfounded):
        export(tmp_path / "new" / "out", gathered(), memory, settings)
    assert not list((tmp_path / "new").iterdir())


@pytest.fixture
def light(gathered) -> Facts:
    """Without the model as a bundle, which takes long."""
    return replace(gathered(), has_weights=False)


def test_the_ledger_tells_of_no_dossier_that_is_not_there(light, memory, settings, tmp_path, monkeypatch):
    out = tmp_path / "out"

    def while_somebody_fills_it(*given):
        sealed = seal_dossier(*given)
        out.mkdir()
        (out / "mine").write_text("mine")
        return sealed

    monkeypatch.setattr(module, "seal_dossier", while_somebody_fills_it)
    with pytest.raises(StoreError, match="out: it can't be written"):
        export(out, light, memory, settings)
    assert files_of(out) == {"mine": b"mine"}
    assert not list(memory.ledger.entries(kind="export.sealed"))


def test_a_dossier_of_which_nothing_tells_is_told_of_by_the_same_again(
    light, memory, settings, tmp_path, monkeypatch
):
    def is_killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(module, "tell_of_dossier", is_killed)
        with pytest.raises(KeyboardInterrupt):
            export(tmp_path / "untold", light, memory, settings)
    assert not list(memory.ledger.entries(kind="export.sealed"))
    export(tmp_path / "told", light, memory, settings)
    assert files_of(tmp_path / "untold") == files_of(tmp_path / "told")
    (entry,) = memory.ledger.entries(kind="export.sealed")
    manifest = (tmp_path / "untold" / "manifest.json").read_bytes()
    assert entry.event.outputs == {"manifest": hashlib.sha256(manifest).hexdigest()}


def test_a_document_with_a_number_of_no_evaluation_ends_it(
    plain, gathered, memory, settings, tmp_path, monkeypatch
):
    figure = Figure(name="AUC", value=0.99, evaluation="f" * 64)
    bad = Document(
        name="bad", title="Bad", follows="", sections=(Section(title="One", blocks=(text("AUC", figure),)),)
    )
    monkeypatch.setattr(module, "DOCUMENTS", (*module.DOCUMENTS, lambda _: bad))
    with pytest.raises(Unfounded, match=r"AUC 0\.990 rests on evaluation f+"):
        export(tmp_path / "out", gathered(), memory, settings)
    assert not list(tmp_path.glob("*out*"))


def test_cases_that_changed_since_end_it(gathered, memory, home, study):
    path = home / "runs" / memory.champion(study.id).id / CASES
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(ArcError, match="has changed since it was recorded"):
        gathered()


def test_a_number_that_was_put_into_the_store_past_the_ledger_ends_it(gathered, memory, study):
    champion = memory.champion(study.id)
    with memory.database.write() as db:
        files = memory.result(champion.id).files | {CASES: "0" * 64}
        db.execute(t.results.update().where(t.results.c.experiment_id == champion.id).values(files=files))
    with pytest.raises(Unfounded, match=f"tell of the cases of {champion.id}"):
        gathered()


def test_an_edited_ledger_ends_it(gathered, home):
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute(
            "UPDATE ledger SET body = replace(body, 'eval.completed', 'eval.finished') WHERE number > 5"
        )
    with pytest.raises(Unverified, match="was changed after it was written"):
        gathered()


def test_of_a_store_that_is_older_than_its_ledger_there_is_none(gathered, home):
    with closing(sqlite3.connect(home / "arc.db")) as db, db:
        for (trigger,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            db.execute(f"DROP TRIGGER {trigger}")
        db.execute("DELETE FROM ledger")
    with pytest.raises(Unfounded, match="from before ARC had one"):
        gathered()


def test_weights_that_are_gone_are_a_gap_and_changed_ones_an_error(gathered, home, memory, study):
    from arc_core.dossier.documents.gap_report import gaps_of

    network = home / "runs" / memory.champion(study.id).id / "fold-0" / "model.pt"
    assert gathered().has_weights
    content = network.read_bytes()
    network.unlink()
    assert "weights" in {gap.field for gap in gaps_of(gathered())}
    network.write_bytes(content + b" ")
    with pytest.raises(ArcError, match="has changed"):
        gathered()
