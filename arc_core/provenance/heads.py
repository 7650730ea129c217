"""Signed heads: how far the ledger had come at a moment, kept outside of the folder that holds the store.

A head is a DSSE envelope (github.com/secure-systems-lab/dsse) with an Ed25519 signature, a line of a file
that only grows. A ledger that ends before its last head, or has another event there, was cut or rewritten.
A head signed with ARC's own key proves that the record is consistent, not that it is honest: who has the key
and both folders can write another history. A copy of the heads that lies elsewhere can't be rewritten so.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

from arc_core.errors import StoreError, Unverified
from arc_core.provenance.canonical import sha256_of
from arc_core.provenance.files import clear_errors
from arc_core.record import Record

if TYPE_CHECKING:  # it takes 0.1 s, which a dry run need not wait for
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import CryptoSigner, SSlibKey

PAYLOAD_TYPE = "application/vnd.arc.ledger-head+json"
KEY = "ledger-key.pem"
_UNREADABLE = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class Head(Record):
    """The last event at a moment. `ledger`: the hash of its first event, which no other ledger has."""

    ledger: str
    number: int
    hash: str
    at: datetime


class Heads:
    """The signed heads in `folder`, a file for each ledger that ever had its heads there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: dict[Path, bytes] | None = None

    def hold(self) -> None:
        """Read all of them now: a store that is copied afterwards comes at least as far as they say."""
        self._held = {path: path.read_bytes() for path in self.folder.glob("heads-*.jsonl")}

    def _content(self, path: Path) -> bytes:
        return path.read_bytes() if self._held is None else self._held.get(path, b"")

    def path(self, ledger: str) -> Path:
        return self.folder / f"heads-{ledger[:16]}.jsonl"

    def others(self, ledger: str, keys: "Mapping[str, SSlibKey]") -> Iterator[tuple[Path, bool]]:
        """The files of other ledgers that lie here too, and whether one of `keys` signed a head there."""
        for path in sorted(self.folder.glob("heads-*.jsonl")):
            if path != self.path(ledger):
                yield path, any(_has_signed(line, keys) for line in self._content(path).splitlines())

    def check(self) -> None:
        """StoreError where they can't be written."""
        with clear_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            TemporaryFile(dir=self.folder).close()

    def add(self, head: Head, signer: "CryptoSigner") -> None:
        """Sign it, and have it on the disk."""
        from securesystemslib.dsse import Envelope

        envelope = Envelope(head.model_dump_json().encode(), PAYLOAD_TYPE, {})
        envelope.sign(signer)
        path = self.path(head.ledger)
        with clear_errors(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            with path.open("ab", buffering=0) as file:
                before = file.tell()
                try:
                    file.write(_line(envelope))
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(before)  # half a line would be taken for a forged one
                    raise

    def of(self, ledger: str, keys: "Mapping[str, SSlibKey]", key: str = "") -> Iterator[Head]:
        """The heads of this ledger, oldest first, each signed with one of `keys` (id → key).

        Unverified where a line is none of them, or signed with none whose id begins with `key`.
        """
        return (head for head, _ in self.lines(ledger, keys, key))

    def lines(
        self, ledger: str, keys: "Mapping[str, SSlibKey]", key: str = ""
    ) -> Iterator[tuple[Head, bytes]]:
        """The same, each with its line of the file."""
        from securesystemslib.dsse import Envelope

        path = self.path(ledger)
        if not path.exists():
            return
        noted = {id_: each for id_, each in keys.items() if id_.startswith(key)}
        for number, line in enumerate(self._content(path).splitlines(keepends=True), 1):
            where = f"line {number} of {path}"
            try:
                envelope = Envelope.from_dict(json.loads(line))
                head = Head.model_validate_json(envelope.payload)
            except _UNREADABLE as error:
                raise Unverified(f"{where} is no signed head: it was changed or cut") from error
            if line != _line(envelope) or head.ledger != ledger or not _is_signed(envelope, keys):
                raise Unverified(
                    f"{where}, the head at event {head.number}, was changed, or signed with a key that the "
                    "ledger did not declare"
                )
            if key and not _is_signed(envelope, noted):
                raise Unverified(
                    f"{where}, the head at event {head.number}, is not signed with the key given (--key)"
                )
            yield head, line


def signer_in(home: Path) -> "CryptoSigner":
    """The home's key to sign with, made when it is first asked for. Only its owner may read it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    path = home / KEY
    with clear_errors(path):
        try:
            found = load_pem_private_key(path.read_bytes(), None)
        except FileNotFoundError:
            made = CryptoSigner.generate_ed25519()
            with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(made.private_bytes)
            return made
        except (ValueError, TypeError) as error:  # TypeError: it has a password
            raise _no_key(path) from error
    if not isinstance(found, Ed25519PrivateKey):
        raise _no_key(path)
    return CryptoSigner(found)


def _no_key(path: Path) -> StoreError:
    return StoreError(
        "it is no private key of Ed25519 that can be read without a password",
        where=path,
        cure="Restore it, or move it away: another is made, and declared.",
    )


def keys_of(home: Path) -> "dict[str, SSlibKey]":
    """The public key that the home signs with, by its id; {} where it has none, or none that we may read."""
    with suppress(StoreError):
        if (home / KEY).is_file():
            key = signer_in(home).public_key
            return {key.keyid: key}
    return {}


def key_of(said: Mapping[str, str]) -> "SSlibKey":
    """The public key that an event declares. Unverified where its id is another key's."""
    from securesystemslib.signer import SSlibKey

    form: dict[str, Any] = {
        "keytype": "ed25519",
        "scheme": "ed25519",
        "keyval": {"public": said["public_key"]},
    }
    if said["key"] != sha256_of(form):  # as the library derives it
        raise Unverified(f"the ledger declares a key under an id that is not its own: {said['key'][:16]}")
    return SSlibKey.from_dict(said["key"], form)


def declaration(signer: "CryptoSigner") -> dict[str, str]:
    """What an event says of the key."""
    return {"key": signer.public_key.keyid, "public_key": signer.public_key.keyval["public"]}


def _line(envelope: "Envelope") -> bytes:
    """The one way to write it; Base64, for one, has several for the same bytes."""
    return json.dumps(envelope.to_dict(), separators=(",", ":")).encode() + b"\n"


def _is_signed(envelope: "Envelope", keys: "Mapping[str, SSlibKey]") -> bool:
    from securesystemslib.exceptions import VerificationError

    try:
        envelope.verify(list(keys.values()), 1)
    except (VerificationError, ValueError):
        return False
    return True


def _has_signed(line: bytes, keys: "Mapping[str, SSlibKey]") -> bool:
    from securesystemslib.dsse import Envelope

    try:
        return _is_signed(Envelope.from_dict(json.loads(line)), keys)
    except _UNREADABLE:
        return False
