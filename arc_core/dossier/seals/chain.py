"""The ledger's chain, its signed heads and its public key in a dossier.

The copy ends with the last event that is not of an export, so that the same store gives the same dossier
again: the event that tells of this one, `export.sealed`, can't stand in it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from arc_core.dossier.facts import Facts
from arc_core.errors import Unverified
from arc_core.experiments.ledger import Ledger
from arc_core.provenance.heads import Heads, declaration, key_of
from arc_core.provenance.ledger import Entry
from arc_core.record import Record

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

LEDGER, HEADS, PUBLIC_KEY = "ledger.jsonl", "heads.jsonl", "ledger-key.pub.pem"


class Copied(Record):
    """The chain as far as it lies in the dossier: hashes of its first event and its last, how many."""

    first: str
    last: str
    events: int


def write_chain(folder: Path, facts: Facts, ledger: Ledger, heads: Heads, signer: "CryptoSigner") -> Copied:
    """Chain, heads and public key. Unverified where a head is not of this chain.

    `signer`: whose key the ledger declares.
    """
    told = declaration(signer)
    declared = {entry.event.facts["key"]: entry for entry in ledger.entries(kind="key.declared")}
    end = max(facts.history.last.number, declared[told["key"]].number)
    hashes = []
    with (folder / LEDGER).open("wb") as file:
        for entry in _until(ledger, end):
            file.write(entry.body.encode() + b"\n")
            hashes.append(entry.hash)
    keys = {key: key_of(entry.event.facts) for key, entry in declared.items()}
    lines = []
    for head, line in heads.lines(hashes[0], keys):
        if head.number > end:
            break
        if hashes[head.number - 1] != head.hash:
            raise Unverified(
                f"event {head.number} is not the one that was signed: the ledger was written anew"
            )
        lines.append(line)
    (folder / HEADS).write_bytes(b"".join(lines))
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(told["public_key"]))
    (folder / PUBLIC_KEY).write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return Copied(first=hashes[0], last=hashes[-1], events=len(hashes))


def _until(ledger: Ledger, number: int) -> Iterator[Entry]:
    for entry in ledger.entries():
        if entry.number > number:
            return
        yield entry
