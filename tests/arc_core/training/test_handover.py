"""What of an unfinished training other machines get to see, and which of two states is gone on from."""

import json
import threading
from pathlib import Path

import pytest

from arc_core.experiments.runs import Runs
from arc_core.provenance.canonical import sha256_of_file
from arc_core.provenance.storage import Storage
from arc_core.training.fold import DONE, FoldDone
from arc_core.training.handover import SEEN, UNFINISHED, Handover, handed_over

CHECKPOINT = ".checkpoint-0123456789abcdef"


class Machine:
    """One of those that share a storage: its run folder of exp-1, and what a training does in it."""

    def __init__(self, home: Path, url: str) -> None:
        self.runs = Runs(home / "runs", Storage(url))
        self.run, self.handover = self.runs.folder_of("exp-1"), Handover(self.runs, "exp-1")

    def write(self, name: str, content: bytes) -> None:
        (self.run / name).parent.mkdir(parents=True, exist_ok=True)
        (self.run / name).write_bytes(content)

    def finish(self, fold: int, content: bytes) -> None:
        """Leave what a finished fold does: the seal, and no checkpoint."""
        self.write(f"fold-{fold}/model.pt", content)
        files = {"model.pt": sha256_of_file(self.run / f"fold-{fold}" / "model.pt")}
        costs = {"startup_s": 1, "train_s": 1, "total_s": 1, "images": 1, "peak_memory_mib": 1}
        done = FoldDone(fold=fold, key="key", device="cpu", files=files, **costs)
        self.write(f"fold-{fold}/{DONE}", done.model_dump_json().encode())
        (self.run / f"fold-{fold}" / CHECKPOINT).unlink(missing_ok=True)

    @property
    def files(self) -> dict[str, bytes]:
        found = (path for path in self.run.rglob("*") if path.is_file() and path.name != SEEN)
        return {path.relative_to(self.run).as_posix(): path.read_bytes() for path in found}

    @property
    def listed(self) -> dict[str, str]:
        """The storage's own list."""
        return json.loads(self.runs.storage.get("exp-1", UNFINISHED) or b'{"files": null}')["files"]


@pytest.fixture
def one(storage_url: str, tmp_path: Path) -> Machine:
    """A machine on which fold 0 is finished, and fold 1 trains."""
    one = Machine(tmp_path / "one", storage_url)
    one.handover.take_up()
    one.write("plan.json", b"{}")
    one.write("worker.log", b"not for others")
    one.finish(0, b"weights")
    one.write(f"fold-1/{CHECKPOINT}", b"epoch 3")
    one.handover.keep()
    return one


@pytest.fixture
def other(one: Machine, tmp_path: Path) -> Machine:
    return Machine(tmp_path / "other", one.runs.storage.url)


def test_another_machine_goes_on_from_there(one: Machine, other: Machine) -> None:
    other.handover.take_up()
    expected = one.files
    del expected["worker.log"]
    assert other.files == expected


def test_who_was_here_last_keeps_what_it_has_done_since(one: Machine) -> None:
    one.write(f"fold-1/{CHECKPOINT}", b"epoch 5, not kept yet")
    before = one.files
    one.handover.take_up()
    assert one.files == before


def test_what_another_has_done_since_comes_back(one: Machine, other: Machine) -> None:
    other.handover.take_up()
    other.finish(1, b"other weights")
    other.write(f"fold-2/{CHECKPOINT}", b"epoch 1")
    other.handover.keep()
    one.write(f"fold-1/{CHECKPOINT}", b"epoch 4, which nobody else has seen")
    one.handover.take_up()
    assert one.files["fold-1/model.pt"] == b"other weights"
    assert one.files[f"fold-2/{CHECKPOINT}"] == b"epoch 1"


def test_a_fold_that_was_finished_here_stays(one: Machine, other: Machine) -> None:
    other.handover.take_up()
    other.finish(1, b"other weights")
    other.handover.keep()
    one.finish(1, b"own weights")
    one.handover.take_up()
    assert one.files["fold-1/model.pt"] == b"own weights"


def test_a_checkpoint_that_was_gone_beyond_is_removed_and_no_more(one: Machine) -> None:
    storage = one.runs.storage
    first = storage.sizes("exp-1")
    one.write(f"fold-1/{CHECKPOINT}", b"epoch 4")
    one.handover.keep()
    gone = first.keys() - storage.sizes("exp-1").keys()
    assert len(gone) == 1
    assert storage.get("exp-1", one.listed[f"fold-1/{CHECKPOINT}"]) == b"epoch 4"
    one.finish(1, b"weights of fold 1")
    one.handover.keep()
    assert CHECKPOINT not in "".join(one.listed)
    (one.run / "fold-0" / DONE).unlink()
    kept = storage.sizes("exp-1").keys()
    one.handover.keep()
    assert storage.sizes("exp-1").keys() == kept, "the files of a fold may be what a result rests on"


def test_nothing_is_left_to_take_up_of_what_has_ended(one: Machine, other: Machine) -> None:
    checkpoint, model = (one.listed[name] for name in (f"fold-1/{CHECKPOINT}", "fold-0/model.pt"))
    one.handover.forget()
    assert one.listed is None
    assert not {checkpoint, UNFINISHED} & one.runs.storage.sizes("exp-1").keys()
    assert model in one.runs.storage.sizes("exp-1")
    other.handover.take_up()
    assert other.files == {}


def test_nothing_new_sends_nothing(one: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Storage, "_tried", lambda self, ask: pytest.fail("the storage was asked"))
    one.handover.keep()


def test_a_checkpoint_of_several_files_is_left_out(one: Machine) -> None:
    one.write(f"fold-2/{CHECKPOINT}/part.pt", b"DeepSpeed's")
    one.write(f"fold-3/.{CHECKPOINT}.0123", b"half written")
    one.handover.keep()
    assert not [name for name in one.listed if name.startswith(("fold-2", "fold-3"))]


@pytest.mark.parametrize(
    "name",
    [
        "../exp-2/plan.json",
        "fold-0/../../x",
        "fold-0/masks/../../../x",
        "/x",
        "cases.json",
        SEEN,
        "fold-1/.x",
        "fold-1/x\0y",
        "fold-1/..\\..\\x",
        "fold-1/" + "x" * 300,
        "fold-1/" + "x/" * 3000 + "x",
    ],
)
def test_a_list_brings_only_what_a_training_goes_on_from(one: Machine, other: Machine, name: str) -> None:
    (sha256, *_) = one.listed.values()
    forged = json.dumps({"files": {name: sha256}}).encode()
    one.runs.storage.put("exp-1", UNFINISHED, forged)
    other.handover.take_up()
    assert other.files == {}


@pytest.mark.parametrize("text", [b"", b"{", b'{"files": {"plan.json": 1}}', b"[]"])
def test_a_list_that_can_not_be_read_is_none(
    one: Machine, other: Machine, text: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    one.runs.storage.put("exp-1", UNFINISHED, text)
    other.handover.take_up()
    assert other.files == {}
    assert text == b"" or "begins anew" in caplog.text


def test_what_is_lacking_is_told_and_the_rest_is_taken(
    one: Machine, other: Machine, caplog: pytest.LogCaptureFixture
) -> None:
    one.runs.storage.remove("exp-1", one.listed[f"fold-1/{CHECKPOINT}"])
    other.handover.take_up()
    assert "fold-0/model.pt" in other.files
    assert f"fold-1/{CHECKPOINT} of the unfinished training is missing, and" in caplog.text


def test_a_fold_is_kept_as_soon_as_it_is_finished_and_the_rest_at_the_end(one: Machine) -> None:
    with handed_over(one.handover, 3600, lambda: False):
        one.finish(1, b"weights of fold 1")
        one.handover.on_event({"event": "fold", "reused": False})
        while f"fold-1/{DONE}" not in one.listed:
            threading.Event().wait(0.01)
        one.write(f"fold-2/{CHECKPOINT}", b"epoch 1")
    assert f"fold-2/{CHECKPOINT}" in one.listed


def test_it_is_kept_from_time_to_time(one: Machine) -> None:
    with handed_over(one.handover, 0.05, lambda: False):
        for epoch in (b"epoch 4", b"epoch 5"):
            one.write(f"fold-1/{CHECKPOINT}", epoch)
            while one.runs.storage.get("exp-1", one.listed[f"fold-1/{CHECKPOINT}"]) != epoch:
                threading.Event().wait(0.01)


def test_without_a_storage_there_is_nothing_to_do(tmp_path: Path) -> None:
    handover = Handover(Runs(tmp_path / "runs"), "exp-1")
    with handed_over(handover, 0.01, lambda: True):
        handover.take_up()
        handover.keep()
        handover.forget()
    assert list(tmp_path.iterdir()) == []
