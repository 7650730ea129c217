"""Signed heads: what is done to the file that holds them shows."""

import errno
import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from securesystemslib.signer import CryptoSigner

from arc_core.errors import StoreError, Unverified
from arc_core.provenance.heads import KEY, Head, Heads, declaration, key_of, signer_in

LEDGER = "1" * 64


def head(number: int, ledger: str = LEDGER) -> Head:
    return Head(ledger=ledger, number=number, hash="a" * 64, at=datetime(2026, 1, 1, tzinfo=UTC))


def read(heads: Heads, *signers: CryptoSigner) -> list[Head]:
    keys = {said["key"]: key_of(said) for said in map(declaration, signers)}
    return list(heads.of(LEDGER, keys))


@pytest.fixture
def signer() -> CryptoSigner:
    return CryptoSigner.generate_ed25519()


@pytest.fixture
def heads(tmp_path: Path, signer: CryptoSigner) -> Heads:
    """Two heads of the ledger, and one of another beside them."""
    heads = Heads(tmp_path / "anchors")
    heads.add(head(3), signer)
    heads.add(head(9, ledger="2" * 64), CryptoSigner.generate_ed25519())
    heads.add(head(7), signer)
    return heads


def test_what_was_signed_is_read(heads, signer):
    assert read(heads, signer) == [head(3), head(7)]


def test_where_nothing_was_signed_there_are_none(tmp_path, signer):
    assert read(Heads(tmp_path), signer) == []


def test_whose_the_heads_of_other_ledgers_are_is_told_by_the_key(heads, signer):
    def others(ledger: str) -> list[bool]:
        keys = {signer.public_key.keyid: signer.public_key}
        return [is_ours for _, is_ours in heads.others(ledger, keys)]

    assert others(LEDGER) == [False]
    assert others("3" * 64) == [True, False]
    heads.path("2" * 64).write_bytes(b"[" * 100_000 + b"\nnull\n{}\n")
    assert others(LEDGER) == [False]


def test_a_key_under_anothers_id_is_refused(signer):
    """Else who swaps the key keeps the id that somebody has noted."""
    other = CryptoSigner.generate_ed25519()
    with pytest.raises(Unverified, match="under an id that is not its own"):
        key_of(declaration(signer) | {"public_key": declaration(other)["public_key"]})


def test_another_key_than_the_declared_ones_is_refused(heads):
    with pytest.raises(Unverified, match=r"line 1 of .* event 3, was changed, or signed with a key that"):
        read(heads, CryptoSigner.generate_ed25519())


def test_a_line_that_is_cut_is_named(heads, signer):
    path = heads.path(LEDGER)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(Unverified, match=r"line 2 of .*\.jsonl is no signed head"):
        read(heads, signer)


def test_every_bit_counts(heads, signer):
    path = heads.path(LEDGER)
    content = path.read_bytes()
    for place in range(len(content)):
        for bit in range(8):
            path.write_bytes(content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :])
            with pytest.raises(Unverified):
                read(heads, signer)


def test_a_home_keeps_its_key_to_its_owner(tmp_path):
    made = signer_in(tmp_path)
    assert signer_in(tmp_path).public_key == made.public_key
    assert stat.S_IMODE((tmp_path / KEY).stat().st_mode) == 0o600


def test_what_is_no_key_is_refused_and_kept(tmp_path):
    (tmp_path / KEY).write_text("not a key")
    with pytest.raises(StoreError, match=r"it is no private key.*move it away"):
        signer_in(tmp_path)
    assert (tmp_path / KEY).read_text() == "not a key"


def test_a_key_of_another_kind_is_refused(tmp_path):
    """Its heads would never be verified."""
    other = ec.generate_private_key(ec.SECP256R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / KEY).write_bytes(pem)
    with pytest.raises(StoreError, match="no private key of Ed25519"):
        signer_in(tmp_path)


def test_a_head_that_does_not_fit_on_the_disk_leaves_none_of_it(heads, signer, monkeypatch):
    before = [path.read_bytes() for path in heads.folder.iterdir()]
    monkeypatch.setattr(os, "fsync", _no_room)
    with pytest.raises(StoreError):
        heads.add(head(11), signer)
    assert [path.read_bytes() for path in heads.folder.iterdir()] == before


def _no_room(_: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")
