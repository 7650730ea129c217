"""Whether the record is what ARC wrote: the ledger, its signed heads, the store's rows, the files."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from arc_core.errors import Unverified
from arc_core.experiments import tables as t
from arc_core.experiments.database import Database
from arc_core.experiments.events import ENDS, event
from arc_core.experiments.ledger import Ledger
from arc_core.experiments.runs import Runs, inside
from arc_core.experiments.vouched import VOUCHERS, by, rows
from arc_core.provenance.canonical import sha256_of_file
from arc_core.provenance.heads import Head, Heads, declaration, key_of, keys_of, signer_in
from arc_core.provenance.ledger import Entry, checked
from arc_core.record import Record
from arc_core.settings import Settings

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner, SSlibKey

EVALUATIONS = "evaluations"
"""Folder of the home with what was measured on test parts."""
STATUSES: dict[str, str] = {"run.started": "running", **{kind: status for status, kind in ENDS.items()}}
"""Kind of event → what an experiment then is in the store, until the next."""


class Verified(Record):
    """What was checked, and found as it was written.

    `anchored` is the last event that a signed head vouches for: what follows could be cut off unnoticed.
    `others` are ledgers whose heads lie there too, signed with other keys. `older` are rows from before the
    ledger began, for which no event vouches.
    """

    events: int
    since: datetime | None
    anchored: int
    heads: int
    others: int
    keys: tuple[str, ...]
    rows: int
    older: int
    files: int


def declare_key(ledger: Ledger, settings: Settings) -> "CryptoSigner":
    """The home's key to sign with, of which the ledger tells from the first time on."""
    signer = signer_in(settings.home.resolve())
    told = declaration(signer)
    name = told["key"][:16]  # by which few rows are looked at, however long the ledger is
    if all(entry.event.facts != told for entry in ledger.entries(kind="key.declared", subject=name)):
        ledger.append(event("key.declared", name, facts=told))
    return signer


def seal(ledger: Ledger, settings: Settings) -> None:
    """Sign the ledger's head and put it beside the home."""
    signer = declare_key(ledger, settings)
    first, last = ledger.ends()
    head = Head(ledger=first.hash, number=last.number, hash=last.hash, at=last.event.at)
    Heads(settings.anchors_folder).add(head, signer)


def verify(database: Database, heads: Heads, runs: Runs, *, key: str = "") -> Verified:
    """Check all of it; Unverified names the first thing that is wrong.

    `key`: how the id of the only key begins that may have signed, as it was noted elsewhere.
    """
    with _readable():
        with database.at_one_moment() as moment:  # a cycle may be at work
            chain = _Chain(Ledger(moment))
            signed = chain.signed(heads, key)
            vouched, older = chain.vouched(moment)
            chain.compare_states(moment)
            recorded = _recorded(moment)
        others = chain.others(heads, keys_of(runs.folder.parent))
        files = _files(recorded, runs) + chain.kept(runs.folder.parent)
    return Verified(
        events=len(chain.hashes),
        since=chain.since,
        anchored=max((head.number for head in signed), default=0),
        heads=len(signed),
        others=others,
        keys=tuple(chain.keys),
        rows=vouched,
        older=older,
        files=files,
    )


@contextmanager
def _readable() -> Iterator[None]:
    """What can't be read in here is none of what ARC has written."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        raise Unverified(f"something in the record is none that ARC writes: {error}") from error


class _Chain:
    """The ledger, read through once. Unverified where it is broken."""

    def __init__(self, ledger: Ledger) -> None:
        self.hashes: list[str] = []
        self.keys: dict[str, SSlibKey] = {}
        self.since: datetime | None = None
        self._begins_late = False
        self.files: dict[str, str] = {}
        self._vouchers: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        self._states: dict[str, tuple[int, str, str]] = {}  # experiment → number, kind and reason
        self._labels: list[tuple[str, str]] = []
        for entry, said in checked(ledger.entries()):
            try:
                self._heed(entry, said)
            except (LookupError, TypeError, ValueError) as error:
                raise Unverified(f"event {entry.number} is none that ARC writes") from error
        for number, (own, filed) in enumerate(zip(self._labels, ledger.labels(), strict=False), 1):
            if own != filed:
                raise Unverified(
                    f"event {number} is filed as {' of '.join(filed)}, and says {' of '.join(own)}: "
                    "its columns were changed"
                )

    def _heed(self, entry: Entry, said: dict[str, Any]) -> None:
        self.hashes.append(entry.hash)
        kind, subject = said["kind"], said["subject"]
        self._labels.append((kind, subject))
        if entry.number == 1:
            self.since, self._begins_late = entry.event.at, kind == "store.upgraded"
        if kind == "key.declared":
            self.keys[said["facts"]["key"]] = key_of(said["facts"])
        if kind in STATUSES:
            self._states[subject] = (entry.number, kind, said["reason"])
        named = said["outputs"] | said["inputs"]
        if (recorded := named.get(VOUCHERS.get(kind))) is not None:
            recorded += said["facts"].get("repeat_of", "")  # else an idea could pass for a repeat, unseen
            whose = by(subject, said["actor"]["name"]) if kind == "review.given" else subject
            self._vouchers[kind, whose][recorded] = entry.number
        self.files |= {name: sha for name, sha in named.items() if name.startswith(f"{EVALUATIONS}/")}

    def kept(self, home: Path) -> int:
        """How many files of evaluations are as they were written."""
        for name, sha256 in self.files.items():
            path = inside(home, name)
            if not path.is_file() or sha256_of_file(path) != sha256:
                raise Unverified(f"{path} {'has changed' if path.is_file() else 'is missing'}")
        return len(self.files)

    def signed(self, heads: Heads, key: str) -> list[Head]:
        """The heads of this ledger, all of which it still has."""
        if not self.hashes:
            return []
        found = list(heads.of(self.hashes[0], self.keys, key))
        if key and not found:
            raise Unverified(f"no head of this ledger is signed with key {key}")
        for head in found:
            if head.number > len(self.hashes):
                raise Unverified(
                    f"event {len(self.hashes) + 1} and what followed are cut off: a head signed at "
                    f"{head.at:%Y-%m-%d %H:%M} UTC stands at event {head.number}"
                )
            if self.hashes[head.number - 1] != head.hash:
                raise Unverified(
                    f"event {head.number} is not the one that was signed at {head.at:%Y-%m-%d %H:%M} UTC: "
                    "the ledger was written anew"
                )
        return found

    def others(self, heads: Heads, own: "dict[str, SSlibKey]") -> int:
        """How many have heads there too, none with a key of this one or its home, which is `own`."""
        found = list(heads.others(self.hashes[0] if self.hashes else "", self.keys | own))
        for path, is_ours in found:
            if is_ours:
                raise Unverified(
                    f"{path} has heads of another ledger, signed with the same key: it was written anew from "
                    "its first event on, or another store took its place; if you did that, move the file away"
                )
        return len(found)

    def vouched(self, database: Database) -> tuple[int, int]:
        """How many of the store's rows are those of the ledger, and how many are older than it is."""
        seen: set[tuple[str, str, str]] = set()
        found, older = 0, 0
        for kind, subject, recorded, at in rows(database):
            vouchers = self._vouchers.get((kind, subject), {})
            if recorded in vouchers:
                seen.add((kind, subject, recorded))
                found += 1
            elif vouchers:
                raise Unverified(
                    f"the store's row of {subject} is not the one that event {max(vouchers.values())} "
                    f"({kind}) describes: it was changed since"
                )
            elif self.since is None or not self._begins_late or at is None or at >= self.since:
                raise Unverified(f"the store has a row of {subject} of which no event ({kind}) tells")
            else:
                older += 1
        for (kind, subject), vouchers in self._vouchers.items():
            recorded = max(vouchers, key=vouchers.__getitem__)  # a person's answer may replace a decision
            if (kind, subject, recorded) not in seen:
                raise Unverified(
                    f"the row of {subject} that event {vouchers[recorded]} ({kind}) describes is gone "
                    "from the store"
                )
        return found, older

    def compare_states(self, database: Database) -> None:
        """That each experiment stands as the last event of it says: no hash covers these columns."""
        columns = t.experiments.c
        with database.read() as db:
            for name, status, reason in db.execute(select(columns.id, columns.status, columns.reason)):
                if name not in self._states:
                    if status != "approved" and not self._begins_late:
                        raise Unverified(f"{name} is {status} in the store, of which no event tells")
                    continue
                number, kind, why = self._states.pop(name)
                if status != STATUSES[kind] or (reason != why and kind != "run.started"):
                    raise Unverified(
                        f"{name} is {status} ({reason}) in the store, and event {number} says {kind} "
                        f"({why}): its columns were changed"
                    )
        for name, (number, kind, _) in self._states.items():
            raise Unverified(f"the row of {name} that event {number} ({kind}) describes is gone")


def _recorded(database: Database) -> Sequence[tuple[str, dict[str, str]]]:
    """Experiment, and the files of its result: name → SHA-256."""
    with database.read() as db:
        return db.execute(select(t.results.c.experiment_id, t.results.c.files)).tuples().all()


def _files(recorded: Sequence[tuple[str, dict[str, str]]], runs: Runs) -> int:
    """How many files of results are those that were measured: here, or in the storage that machines share."""
    count = 0
    for experiment_id, files in recorded:
        for name, why in runs.fetch(experiment_id, files).items():
            raise Unverified(f"{runs.path(experiment_id, name)} {why}")
        count += len(files)
    return count
