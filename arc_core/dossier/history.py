"""The ledger, read through once: its chain checked, and what a dossier says of it."""

from collections import Counter
from datetime import datetime
from typing import Any

from arc_core.errors import Unfounded
from arc_core.experiments.ledger import Ledger
from arc_core.provenance.ledger import Actor, Origin, checked
from arc_core.record import Record

BESIDE = ("export.sealed", "key.declared")
"""What an export itself adds: left out, so that the same store gives the same dossier again."""
BULKY = ("proposal.made", "review.given", "decision.taken")
"""Counted, and otherwise not looked at: the store has them."""


class Told(Record):
    """An event, as far as documents tell of it. `hash`: of the event in the chain."""

    number: int
    hash: str
    at: datetime
    kind: str
    subject: str
    actor: Actor
    reason: str
    inputs: dict[str, str]
    outputs: dict[str, str]
    facts: dict[str, Any]
    origin: Origin

    @property
    def who(self) -> str:
        """The actor, and whom it acts for."""
        return f"{self.actor.name} for {self.actor.acts_for}" if self.actor.acts_for else self.actor.name


class History(Record):
    """The events up to the last that is not of an export."""

    first: str
    last: Told
    kinds: dict[str, int]
    events: tuple[Told, ...]

    def of(self, kind: str, subject: str | None = None) -> tuple[Told, ...]:
        """Oldest first."""
        return tuple(told for told in self.events if told.kind == kind and subject in (None, told.subject))

    @property
    def count(self) -> int:
        return sum(self.kinds.values())


def read_history(ledger: Ledger) -> History:
    """Unverified where the chain is broken, Unfounded where it has no event: no dossier is made of either."""
    kinds: Counter[str] = Counter()
    events: list[Told] = []
    first, last = "", None
    for entry, said in checked(ledger.entries()):
        first = first or entry.hash
        kind = said["kind"]
        if kind in BESIDE:
            continue
        kinds[kind] += 1
        fields = {name: said[name] for name in Told.model_fields if name in said}
        last = fields | {"number": entry.number, "hash": entry.hash}
        if kind not in BULKY:
            events.append(Told.model_validate(last))
    if last is None:
        raise Unfounded("the ledger tells of nothing: all of the store is from before ARC had one")
    return History(
        first=first, last=Told.model_validate(last), kinds=dict(sorted(kinds.items())), events=tuple(events)
    )
