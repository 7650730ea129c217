"""An unfinished training, kept in the shared storage: another machine goes on where this one stopped or died.

What is handed over: the plan, the finished folds, and the last checkpoint of a fold that trains in one file.
`unfinished.json` in the experiment's part of the storage names them. Its readers believe it as little as they
do a run folder: a fold counts when its seal holds, and a checkpoint is read without running what it names.
"""

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pydantic import ValidationError

from arc_core.errors import ArcError
from arc_core.experiments.runs import Runs
from arc_core.provenance.canonical import sha256_of_file
from arc_core.provenance.files import write_atomically
from arc_core.record import Record
from arc_core.training.fold import DONE, FoldDone
from arc_core.training.plan import PLAN
from arc_core.training.process import Event

UNFINISHED = "unfinished.json"
SEEN = ".handed-over"
"""In the run folder: the list that this machine has written or taken up last."""

_CHECKPOINT = re.compile(r"\.checkpoint-[0-9a-f]{16}")
_NAME = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,123}"  # an image_id with its ending, or shorter
_HANDED = re.compile(rf"{re.escape(PLAN)}|fold-\d{{1,3}}/(?:(?:{_NAME}/)?{_NAME}|{_CHECKPOINT.pattern})")

log = logging.getLogger(__name__)


class Unfinished(Record):
    """What the storage has of a training: path under the run folder → SHA-256."""

    files: dict[str, str] = {}

    @property
    def checkpoints(self) -> set[str]:
        """SHA-256 of each."""
        return {sha for name, sha in self.files.items() if _CHECKPOINT.fullmatch(Path(name).name)}


class Handover:
    """One experiment's, on this machine. Without a storage it does nothing."""

    def __init__(self, runs: Runs, experiment_id: str) -> None:
        self.runs, self._id, self._run = runs, experiment_id, runs.folder_of(experiment_id)
        self._one_at_a_time = threading.Lock()
        self.due = threading.Event()

    @property
    def is_shared(self) -> bool:
        return self.runs.storage is not None

    def on_event(self, event: Event) -> None:
        """Take note of a fold that was finished: it is worth keeping at once."""
        if event["event"] == "fold" and not event["reused"]:
            self.due.set()

    def take_up(self) -> None:
        """Fetch what another machine has left there since this one looked last. StoreError when it can't be
        read, or when nothing could be left there for others.
        """
        storage = self.runs.storage
        if storage is None:
            return
        found = storage.get(self._id, UNFINISHED)
        if found is None:
            found = Unfinished().model_dump_json().encode()
            storage.put(self._id, UNFINISHED, found)
        elif found != self._seen():
            lacking = self.runs.fetch(self._id, self._wanted(_parsed(found)))
            for name, why in lacking.items():
                log.warning("%s: %s of the unfinished training %s; its fold begins anew", self._id, name, why)
        self._run.mkdir(parents=True, exist_ok=True)
        write_atomically(self._run / SEEN, found)

    def keep(self) -> None:
        """Put what there is by now into the storage. StoreError when that can't be done."""
        storage = self.runs.storage
        if storage is None or not self._run.is_dir():
            return
        with self._one_at_a_time:
            before = _parsed(self._seen())
            sealed = self._sealed()
            loose = {name: content for name in self._loose() if (content := _read(self._run / name))}
            now = Unfinished(files=sealed | {name: _sha256(content) for name, content in loose.items()})
            if now == before:
                return
            self.runs.keep(self._id, sealed)
            for name, content in loose.items():
                if before.files.get(name) != now.files[name]:
                    storage.put(self._id, now.files[name], content)
            text = now.model_dump_json().encode()
            storage.put(self._id, UNFINISHED, text)
            write_atomically(self._run / SEEN, text)
            self._remove(before.checkpoints - now.checkpoints)

    def forget(self) -> None:
        """The training has ended: nobody is to take it up."""
        if (storage := self.runs.storage) is not None:
            with self._one_at_a_time:
                storage.remove(self._id, UNFINISHED)
                self._remove(_parsed(self._seen()).checkpoints)

    def _remove(self, checkpoints: Iterable[str]) -> None:
        """By SHA-256; checkpoints only: a file of a finished fold may be what a result rests on."""
        assert self.runs.storage is not None
        for sha256 in checkpoints:
            self.runs.storage.remove(self._id, sha256)

    def _wanted(self, left: Unfinished) -> dict[str, str]:
        """All but what is no file of a training, and what this machine has finished by itself."""
        return {
            name: sha256
            for name, sha256 in left.files.items()
            if _HANDED.fullmatch(name)
            if name == PLAN or not (self._run / Path(name).parts[0] / DONE).exists()
        }

    def _sealed(self) -> dict[str, str]:
        """The files of every finished fold, as its seal has them."""
        files: dict[str, str] = {}
        for seal in sorted(self._run.glob(f"fold-*/{DONE}")):
            with suppress(OSError, ValidationError):  # a worker may be removing it; the evaluator will tell
                done = FoldDone.model_validate_json(seal.read_bytes())
                fold = seal.parent.name
                files |= {f"{fold}/{name}": sha256 for name, sha256 in done.files.items()}
                files[f"{fold}/{DONE}"] = sha256_of_file(seal)
        return files

    def _loose(self) -> list[str]:
        """What is not sealed: the plan, and each checkpoint that is one file, and so never half replaced."""
        found = [path for path in self._run.glob("fold-*/.checkpoint-*") if _CHECKPOINT.fullmatch(path.name)]
        return [PLAN, *(f"{path.parent.name}/{path.name}" for path in sorted(found) if path.is_file())]

    def _seen(self) -> bytes | None:
        return _read(self._run / SEEN)


@contextmanager
def handed_over(handover: Handover, every_s: float, has_ended: Callable[[], bool]) -> Iterator[None]:
    """Keep the training that runs in here in the storage: every `every_s` seconds, after each fold of which
    the handover hears, and at the end unless it `has_ended`.

    A storage that is out of reach is no reason to end a training: it is told of, and tried again.
    """
    if not handover.is_shared:
        yield
        return
    over = threading.Event()

    def keep() -> None:
        while not over.is_set():
            handover.due.wait(every_s)
            handover.due.clear()
            if not over.is_set():
                _tried(handover.keep)

    thread = threading.Thread(target=keep, name="arc-handover", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        handover.due.set()
        thread.join()
        _tried(lambda: handover.forget() if has_ended() else handover.keep())


def _tried(act: Callable[[], None]) -> None:
    try:
        act()
    except (ArcError, OSError) as error:
        log.warning("what there is of the training is on this machine only: %s", error)


def _parsed(text: bytes | None) -> Unfinished:
    try:
        return Unfinished.model_validate_json(text or b"{}")
    except ValidationError as error:
        log.warning("%s can't be read, the training begins anew: %s", UNFINISHED, error.errors()[0]["msg"])
        return Unfinished()


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # written for the first time later, or removed as its fold ends
        return None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
