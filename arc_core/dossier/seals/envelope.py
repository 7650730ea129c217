"""What is signed goes in a DSSE envelope: github.com/secure-systems-lab/dsse."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner


def write_signed(path: Path, payload: bytes, payload_type: str, signer: "CryptoSigner") -> None:
    """The payload in an envelope, with one Ed25519 signature, which is the same each time."""
    from securesystemslib.dsse import Envelope

    envelope = Envelope(payload, payload_type, {})
    envelope.sign(signer)
    path.write_bytes(json.dumps(envelope.to_dict(), indent=1).encode() + b"\n")
