"""The ledger: what happened, in order, each event bound to the one before it by that one's hash.

An event is kept as its canonical JSON (RFC 8785), byte for byte, and its hash is SHA-256 of those bytes. Each
holds the hash of the one before: whatever is changed, taken out, put in or moved shows in the first event
that no longer fits. A tail that was cut off does not show here: for that, heads are signed and kept elsewhere
(`arc_core.provenance.heads`).
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

from pydantic import Field

from arc_core.errors import Unverified
from arc_core.provenance.canonical import canonical_json
from arc_core.record import Record

GENESIS = "0" * 64
"""The hash before the first event."""

Kind = Literal[
    "store.upgraded",
    "key.declared",
    "intended_use.declared",
    "dataset.registered",
    "testset.registered",
    "split.frozen",
    "gate.declared",
    "sap.locked",
    "threshold.locked",
    "testset.opened",
    "proposal.made",
    "review.given",
    "decision.taken",
    "review.signed",
    "run.started",
    "run.stopped",
    "run.withdrawn",
    "run.pruned",
    "run.failed",
    "run.finished",
    "deviation.recorded",
    "eval.completed",
    "verdict.given",
    "champion.promoted",
    "reproduction.done",
    "export.sealed",
]
"""`review.signed` is a person's answer, `run.stopped` one that can be taken up again, `run.pruned` one that
was stopped early, as worse than the champion."""


class Actor(Record):
    """Who did it: ARC itself, an agent with its mind, or a person; ARC and agents act for a person."""

    name: str
    mind: str = Field("", description="of an agent: `offline`, or the language model as it called itself")
    acts_for: str = ""


class Origin(Record):
    """The program that writes. SHA-256 of its own files, of the lock, and of what is installed."""

    code: str = ""
    commit: str = Field("", description="of git; empty where the code is no checkout")
    is_dirty: bool = Field(False, description="whether files differed from that commit")
    lock: str = ""
    environment: str = Field("", description="over the names and versions of all distributions")


class Event(Record):
    """What an entry says. `inputs` and `outputs`: name → SHA-256 of what went in and came out."""

    at: datetime
    kind: Kind
    actor: Actor
    subject: str = Field(description="id of the study, proposal or experiment that it is about")
    inputs: dict[str, str] = {}
    outputs: dict[str, str] = {}
    origin: Origin = Origin()
    reason: str = ""
    facts: dict[str, Any] = {}


class Entry(NamedTuple):
    """An event in its place. `body`: the event's canonical JSON with `number` and `previous`."""

    number: int
    hash: str
    body: str

    @property
    def event(self) -> Event:
        """ValueError where the body is not of an event."""
        said = json.loads(self.body)
        return Event.model_validate({name: said[name] for name in Event.model_fields if name in said})


def enter(event: Event, last: tuple[int, str] | None) -> Entry:
    """The entry of an event behind the one of `last`, its number and hash; None: the first."""
    number, previous = (last[0] + 1, last[1]) if last else (1, GENESIS)
    placed = event.model_copy(update={"at": event.at.astimezone(UTC)})
    said = placed.model_dump(mode="json") | {"number": number, "previous": previous}
    body = canonical_json(said)
    return Entry(number, hashlib.sha256(body).hexdigest(), body.decode())


def checked(entries: Iterable[Entry]) -> Iterator[tuple[Entry, dict[str, Any]]]:
    """Each entry with what its body says, read once. Unverified names the first that does not fit."""
    previous = GENESIS
    for number, entry in enumerate(entries, 1):
        if entry.number != number:
            raise Unverified(f"event {number} is missing: {entry.number} stands in its place")
        if entry.hash != hashlib.sha256(entry.body.encode()).hexdigest():
            raise Unverified(f"event {number} was changed after it was written: its hash does not fit")
        said = _read(entry.body)
        if (said.get("number"), said.get("previous")) != (number, previous):
            raise Unverified(
                f"event {number} ({said.get('kind')} of {said.get('subject')}) does not follow the one "
                "before it: that one was changed or taken out, or this one was moved or put in"
            )
        yield entry, said
        previous = entry.hash


def _read(body: str) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
