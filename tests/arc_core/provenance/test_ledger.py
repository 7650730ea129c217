"""A chain of events: whatever is done to it shows, and the first bad event is named."""

import hashlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.errors import Unverified
from arc_core.provenance.ledger import Actor, Entry, Event, checked, enter

ARC = Actor(name="ARC")
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


def chain(length: int) -> list[Entry]:
    entries: list[Entry] = []
    for number in range(length):
        event = Event(
            at=MOMENT,
            kind="run.finished",
            actor=ARC,
            subject=f"exp-{number}",
            outputs={"model.pt": "ab" * 32},
            facts={"dice": 0.871, "why": "größer ≥ 0"},
        )
        entries.append(enter(event, entries[-1][:2] if entries else None))
    return entries


def first_fault(entries: list[Entry]) -> str | None:
    try:
        assert [entry for entry, _ in checked(entries)] == entries
    except Unverified as fault:
        return str(fault)
    return None


def edited(entry: Entry, *, with_its_hash: bool) -> Entry:
    body = entry.body.replace("0.871", "0.971")
    assert body != entry.body
    return Entry(
        entry.number, hashlib.sha256(body.encode()).hexdigest() if with_its_hash else entry.hash, body
    )


def test_a_chain_as_it_was_written_has_no_fault():
    assert first_fault([]) is None
    assert first_fault(chain(5)) is None


def test_an_entry_gives_its_event_back():
    event = chain(2)[1].event
    assert (event.subject, event.at, event.facts["dice"]) == ("exp-1", MOMENT, 0.871)


@pytest.mark.parametrize(
    ("harm", "fault"),
    [
        (lambda e: [*e[:2], edited(e[2], with_its_hash=False), *e[3:]], "event 3 was changed"),
        (lambda e: [*e[:2], edited(e[2], with_its_hash=True), *e[3:]], "event 4 (run.finished of exp-3)"),
        (lambda e: [*e[:2], *e[3:]], "event 3 is missing: 4 stands in its place"),
        (lambda e: [e[0], e[2], e[1], *e[3:]], "event 2 is missing"),
        (lambda e: e[1:], "event 1 is missing"),
        (lambda e: [*e[:2], e[2]._replace(body=e[1].body), *e[3:]], "event 3 was changed"),
        (lambda e: [*e[:2], Entry(3, *e[1][1:]), *e[3:]], "event 3 (run.finished of exp-1) does not follow"),
        (lambda e: [*e[:2], enter(e[0].event, e[1][:2]), *e[3:]], "event 4 (run.finished of exp-3)"),
        (lambda e: [*e[:2], Entry(3, hashlib.sha256(b"[]").hexdigest(), "[]"), *e[3:]], "event 3 (None"),
    ],
    ids=[
        "edited",
        "edited with a hash that fits",
        "deleted",
        "reordered",
        "beheaded",
        "another's body",
        "another as it is",
        "replaced with a hash that fits",
        "no event at all",
    ],
)
def test_whatever_is_done_to_it_is_found(harm, fault):
    assert first_fault(harm(chain(5))).startswith(fault)


def test_a_tail_that_was_cut_off_is_not_found_here():
    assert first_fault(chain(5)[:3]) is None


def test_every_byte_counts():
    entries = chain(3)
    text = entries[1].body.encode()
    for place in range(len(text)):
        for flip in (1, 32, 128):
            changed = text[:place] + bytes([text[place] ^ flip]) + text[place + 1 :]
            body = changed.decode(errors="surrogateescape").encode(errors="replace").decode()
            assert first_fault([entries[0], entries[1]._replace(body=body), entries[2]]), changed


@given(st.integers(0, 63), st.sampled_from("0123456789abcdef"))
def test_every_digit_of_a_hash_counts(place, digit):
    entries = chain(3)
    changed = entries[1].hash[:place] + digit + entries[1].hash[place + 1 :]
    fault = first_fault([entries[0], entries[1]._replace(hash=changed), entries[2]])
    assert (fault is None) == (changed == entries[1].hash)
