"""`manifest.json`: every file of a dossier with its hash, the ledger's end, and one signature over it all."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from arc_core.dossier.document import WORDING
from arc_core.dossier.facts import Facts
from arc_core.dossier.seals.chain import Copied
from arc_core.dossier.seals.envelope import write_signed
from arc_core.provenance.canonical import sha256_of_file

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

FILE, SIGNATURE = "manifest.json", "manifest.sig.json"
BESIDE = (FILE, SIGNATURE)
"""What it can't name itself."""
PAYLOAD_TYPE = "application/vnd.arc.dossier-manifest+json"


def write_manifest(folder: Path, facts: Facts, copied: Copied, signer: "CryptoSigner") -> str:
    """Of all that lies in `folder`: the last thing written there. SHA-256 of the manifest."""
    files = {
        path.relative_to(folder).as_posix(): {"bytes": path.stat().st_size, "sha256": sha256_of_file(path)}
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    said = {
        "wording": WORDING,
        "study": facts.study.id,
        "experiment": facts.experiment.id,
        "evaluation": facts.evaluations.of(facts.experiment.id),
        "key": signer.public_key.keyid,
        "ledger": copied.model_dump(mode="json"),
        "files": files,
    }
    content = json.dumps(said, indent=1, ensure_ascii=False).encode() + b"\n"
    (folder / FILE).write_bytes(content)
    write_signed(folder / SIGNATURE, content, PAYLOAD_TYPE, signer)
    return sha256_of_file(folder / FILE)
