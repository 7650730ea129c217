"""What every shared storage must do, and what is said when it can't: S3 over HTTP, and a shared folder."""

import hashlib
import threading
from pathlib import Path

import pytest

from arc_core.errors import StoreError
from arc_core.experiments.runs import Runs
from arc_core.provenance import storage as storage_module
from arc_core.provenance.storage import Storage
from tests.lossy import lossy_way
from tests.s3 import BUCKET

FILES = {
    "plan.json": b"{}",
    "fold-0/model.pt": b"weights" * 1000,
    "fold-0/masks/left eye #1 [ü]?*.png": b"mask",
    "fold-1/masks/the same.png": b"mask",
    "fold-1/empty": b"",
}


def sha256_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


RECORDED = {name: sha256_of(content) for name, content in FILES.items()}


def written(folder: Path) -> Path:
    """A run folder as a training leaves it."""
    for name, content in FILES.items():
        (folder / "exp-1" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "exp-1" / name).write_bytes(content)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    found = (path for path in (folder / "exp-1").rglob("*") if path.is_file())
    return {path.relative_to(folder / "exp-1").as_posix(): path.read_bytes() for path in found}


@pytest.fixture
def storage(storage_url: str) -> Storage:
    return Storage(storage_url)


@pytest.fixture
def there(storage: Storage, tmp_path: Path) -> Runs:
    """The machine that trained, after it has put what it left into the storage."""
    runs = Runs(written(tmp_path / "there"), storage)
    runs.keep("exp-1", RECORDED)
    return runs


@pytest.fixture
def here(there: Runs, tmp_path: Path) -> Runs:
    """Another machine, which has nothing yet."""
    return Runs(tmp_path / "here", Storage(there.storage.url))


def test_an_object_is_written_read_replaced_listed_and_removed(storage: Storage) -> None:
    assert (storage.get("exp-1", "a"), storage.sizes("exp-1")) == (None, {})
    for content in (b"first", b"second", b"x" * 3_000_000):
        storage.put("exp-1", "a", content)
        assert storage.get("exp-1", "a") == content
    storage.put("exp-10", "b", b"of another")
    assert storage.sizes("exp-1") == {"a": 3_000_000}
    for _ in range(2):
        storage.remove("exp-1", "a")
        assert storage.sizes("exp-1") == {}


def test_what_one_machine_keeps_another_has(here: Runs) -> None:
    assert here.fetch("exp-1", RECORDED) == {}
    assert contents(here.folder) == FILES


def test_what_is_here_as_recorded_is_not_asked_for(there: Runs) -> None:
    away = Runs(there.folder, Storage("s3://nowhere/at-all"))
    assert away.fetch("exp-1", RECORDED) == {}


def test_what_was_kept_is_not_sent_again(there: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []
    monkeypatch.setattr(Storage, "put", lambda self, folder, name, content: sent.append(name))
    more = RECORDED | {"fold-1/new": sha256_of(b"new")}
    (there.folder / "exp-1" / "fold-1" / "new").write_bytes(b"new")
    there.keep("exp-1", more)
    assert sent == [sha256_of(b"new")]


def test_a_file_that_has_changed_here_is_fetched_anew(here: Runs) -> None:
    here.fetch("exp-1", RECORDED)
    (here.folder / "exp-1" / "plan.json").write_bytes(b"changed")
    assert here.fetch("exp-1", {"plan.json": RECORDED["plan.json"]}) == {}
    assert contents(here.folder) == FILES


def test_only_what_is_asked_for_is_fetched(here: Runs) -> None:
    here.fetch("exp-1", {"plan.json": RECORDED["plan.json"]})
    assert contents(here.folder) == {"plan.json": b"{}"}


def test_what_the_storage_has_wrong_never_gets_here(here: Runs, storage: Storage) -> None:
    here.fetch("exp-1", {"plan.json": RECORDED["plan.json"]})
    (here.folder / "exp-1" / "plan.json").write_bytes(b"changed")
    storage.put("exp-1", RECORDED["plan.json"], b"evil")
    storage.remove("exp-1", RECORDED["fold-0/model.pt"])
    lacking = here.fetch("exp-1", RECORDED)
    assert set(lacking) == {"plan.json", "fold-0/model.pt"}
    expected = RECORDED["plan.json"]
    assert lacking["plan.json"] == (
        f"has changed since it was recorded: SHA-256 {sha256_of(b'changed')}, expected {expected}, "
        f"and in {storage.url} it has changed too: SHA-256 {sha256_of(b'evil')}"
    )
    assert lacking["fold-0/model.pt"] == f"is missing, and {storage.url} does not have it"
    rest = {name: content for name, content in FILES.items() if name not in lacking}
    assert contents(here.folder) == rest | {"plan.json": b"changed"}


def test_a_file_that_has_changed_is_not_kept_under_its_old_name(there: Runs, storage: Storage) -> None:
    storage.remove("exp-1", RECORDED["plan.json"])
    (there.folder / "exp-1" / "plan.json").write_bytes(b"changed")
    with pytest.raises(StoreError, match=r"plan\.json: it has changed since it was measured"):
        there.keep("exp-1", RECORDED)
    assert storage.get("exp-1", RECORDED["plan.json"]) is None


@pytest.mark.parametrize("name", ["../exp-2/plan.json", "/etc/passwd", "fold-0/../../x", "", "..", "link/x"])
def test_a_record_leads_nowhere_else(here: Runs, tmp_path: Path, name: str) -> None:
    (here.folder / "exp-1").mkdir(parents=True)
    (here.folder / "exp-1" / "link").symlink_to(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(StoreError, match="outside of its run folder"):
        here.fetch("exp-1", {name: RECORDED["plan.json"]})
    with pytest.raises(StoreError, match="outside of its run folder"):
        here.fetch("exp-1", {name: RECORDED["plan.json"]}, here.folder / "exp-1")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("experiment_id", ["..", "", "a/b", ".hidden"])
def test_an_experiments_folder_is_one_of_the_runs(here: Runs, experiment_id: str) -> None:
    with pytest.raises(StoreError, match="outside of its run folder"):
        here.fetch(experiment_id, {"plan.json": RECORDED["plan.json"]})


def test_a_lost_answer_is_asked_for_again(
    aws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storage_module, "PAUSES_S", (0.01,))
    with lossy_way(aws.endpoint, b"PUT") as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL", way.url)
        storage = Storage(url := aws.new_place())
        storage.put("exp-1", "a", b"content")
    assert way.lost.is_set()
    assert "tried again" in caplog.text
    assert aws.objects(url) == {"exp-1/a": b"content"}


def test_a_storage_that_is_away_is_named(
    aws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(storage_module, "PAUSES_S", (0.01, 0.01))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody serves the port of discard
    with pytest.raises(
        StoreError, match=rf"^s3://{BUCKET}/x: the shared storage can't be used; got Endpoint"
    ):
        Storage(f"s3://{BUCKET}/x").check()
    assert caplog.text.count("tried again") == 2


def test_a_bucket_that_is_not_there_is_named(aws) -> None:
    with pytest.raises(StoreError, match=r"bucket does not exist.*has to name an existing bucket"):
        Storage("s3://no-such-bucket/x").check()


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_keys_that_are_refused_are_told_once_and_not_shown(
    aws, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, variable: str
) -> None:
    monkeypatch.setenv(variable, "not-the-real-one")
    with pytest.raises(StoreError, match=r"PermissionError.*Check AWS_ACCESS_KEY_ID") as caught:
        Storage(f"s3://{BUCKET}/x").check()
    said = str(caught.value) + caplog.text
    assert not [value for value in ("not-the-real-one", aws.key, aws.secret) if value in said]
    assert "tried again" not in caplog.text


def test_without_any_keys_their_names_are_told(aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(StoreError, match=r"NoCredentialsError.*Check AWS_ACCESS_KEY_ID"):
        Storage(f"s3://{BUCKET}/x").check()


def test_a_shared_folder_that_is_not_mounted_is_not_made(tmp_path: Path) -> None:
    storage = Storage(f"file://{tmp_path / 'not-mounted' / 'runs'}")
    for act in (storage.check, lambda: storage.put("exp-1", "a", b"")):
        with pytest.raises(StoreError, match=r"there is no such folder.*has to be made once"):
            act()
    assert list(tmp_path.iterdir()) == []


def test_machines_that_write_the_same_at_once_leave_it_whole(storage: Storage) -> None:
    content, over, wrong = b"y" * 2_000_000, threading.Event(), []
    storage.put("exp-1", "a", content)

    def read() -> None:
        while not over.is_set():
            if storage.get("exp-1", "a") != content:
                wrong.append("half a file")

    reader = threading.Thread(target=read)
    reader.start()
    # moto answers 500 where many overwrite one object, again and again on a busy machine.
    times = 6 if storage.url.startswith("s3:") else 20
    storage.each(lambda _: Storage(storage.url).put("exp-1", "a", content), range(times))
    over.set()
    reader.join()
    assert wrong == []
    assert storage.sizes("exp-1") == {"a": len(content)}
