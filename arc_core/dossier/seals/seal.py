"""The machine-readable half of a dossier, written once its documents lie there."""

from pathlib import Path

from arc_core.dossier.facts import Facts
from arc_core.dossier.seals import attestation, crate, lineage, manifest, sbom
from arc_core.dossier.seals.chain import write_chain
from arc_core.dossier.seals.envelope import write_signed
from arc_core.dossier.seals.measured import write_measured
from arc_core.dossier.seals.verify_page import verify_page
from arc_core.dossier.verifier.script import script
from arc_core.experiments.events import event
from arc_core.experiments.memory import Memory
from arc_core.experiments.runs import Runs
from arc_core.experiments.verification import declare_key
from arc_core.experiments.verification import seal as seal_ledger
from arc_core.provenance.heads import Heads
from arc_core.provenance.ledger import Event
from arc_core.settings import Settings


def seal_dossier(folder: Path, facts: Facts, memory: Memory, settings: Settings) -> Event:
    """Add to `folder` the chain, what describes it to machines, and the verifier; sign its manifest.

    The event that tells of it, `export.sealed`, for `tell_of_dossier`: it may only be told once the folder is
    where it belongs. Unverified where the signed heads are not of this ledger, Unfounded where a figure or a
    file has no evaluation there.
    """
    signer = declare_key(memory.ledger, settings)
    copied = write_chain(folder, facts, memory.ledger, Heads(settings.anchors_folder), signer)
    write_measured(folder, facts, Runs.of(settings), settings.home.resolve())
    (folder / sbom.FILE).write_bytes(sbom.sbom(facts))
    (folder / lineage.FILE).write_text(lineage.lineage(facts), encoding="utf-8")
    statement = attestation.attestation(folder, facts)
    write_signed(folder / attestation.FILE, statement, attestation.PAYLOAD_TYPE, signer)
    (folder / "verify.py").write_text(script(), encoding="utf-8")
    (folder / "VERIFY.md").write_text(verify_page(copied, signer.public_key.keyid), encoding="utf-8")
    (folder / crate.FILE).write_bytes(crate.crate(folder, facts, manifest.BESIDE))
    sha256 = manifest.write_manifest(folder, facts, copied, signer)
    told = {"study": facts.study.id, "events": copied.events, "last": copied.last}
    return event("export.sealed", facts.experiment.id, outputs={"manifest": sha256}, facts=told)


def tell_of_dossier(sealed: Event, memory: Memory, settings: Settings) -> None:
    """Append the event, and sign the ledger's head behind it."""
    memory.ledger.append(sealed)
    seal_ledger(memory.ledger, settings)
