"""`ro-crate-metadata.json`: the folder as a research object, every file with its hash.

RO-Crate 1.1 with the Process Run Crate profile 0.5: the training and the export are actions
with ARC as their instrument. What only a person can say, such as a licence, stands there as NOT PROVIDED.
"""

import json
import mimetypes
from datetime import datetime
from pathlib import Path
from typing import Any

from rocrate.model import ContextEntity, File, SoftwareApplication
from rocrate.rocrate import ROCrate

from arc_core.bundle.configs import NETWORK
from arc_core.dossier.document import SIMULATED, WORDING
from arc_core.dossier.facts import Facts
from arc_core.dossier.intended_use import NOT_PROVIDED
from arc_core.dossier.model import FOLDER as MODEL_FOLDER
from arc_core.dossier.seals.chain import LEDGER
from arc_core.dossier.seals.lineage import NAMESPACE
from arc_core.dossier.seals.measured import FOLDER as MEASURED
from arc_core.dossier.seals.measured import evaluation_of
from arc_core.provenance.canonical import sha256_of_file
from arc_core.training.fold import MODEL

FILE = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
MIME = mimetypes.MimeTypes()  # without the machine's own list, so that it is the same everywhere
TYPES = {".md": "text/markdown", ".jsonl": "application/jsonl", ".pem": "application/x-pem-file"}


def crate(folder: Path, facts: Facts, beside: tuple[str, ...]) -> bytes:
    """Of all files in `folder`, and of `beside`, which are written after it and hold its own hash."""
    made, last = ROCrate(version="1.1"), facts.history.last
    made.metadata.extra_terms["sha256"] = "http://schema.org/sha256"
    root = made.root_dataset
    mark = f"{SIMULATED} " if facts.study.simulated else ""
    root["name"] = f"Dossier of {facts.experiment.id}, {facts.study.id}"
    root["description"] = f"{mark}{WORDING}"
    root["datePublished"] = last.at.isoformat()
    root["conformsTo"] = made.add(
        ContextEntity(made, PROFILE, {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"})
    )
    root["author"] = _somebody(made, "author", "Person", facts.use.answer("organisation.responsible"))
    root["publisher"] = _somebody(
        made, "publisher", "Organization", facts.use.answer("organisation.manufacturer")
    )
    root["license"] = _somebody(made, "license", "CreativeWork", NOT_PROVIDED)
    files = {name: _file(made, folder, name) for name in sorted(_names(folder, beside))}
    made.add(*files.values())
    root["mentions"] = _actions(made, facts, files)
    return json.dumps(made.metadata.generate(), indent=1, ensure_ascii=False).encode() + b"\n"


def _names(folder: Path, beside: tuple[str, ...]) -> tuple[str, ...]:
    there = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return (*there, *beside)


def _file(made: ROCrate, folder: Path, name: str) -> File:
    path = folder / name
    type_ = TYPES.get(path.suffix) or MIME.guess_type(name)[0] or "application/octet-stream"
    said: dict[str, Any] = {"name": name, "encodingFormat": type_}
    if path.is_file():
        said |= {"contentSize": str(path.stat().st_size), "sha256": sha256_of_file(path)}
    return File(made, dest_path=name, properties=said)


def _somebody(made: ROCrate, part: str, kind: str, name: str) -> ContextEntity:
    """A person, an organisation or a licence, as a person has named it: or NOT PROVIDED."""
    return made.add(ContextEntity(made, f"#{part}", {"@type": kind, "name": name}))


def _actions(made: ROCrate, facts: Facts, files: dict[str, File]) -> list[ContextEntity]:
    """The training, what was measured of it, and this export, by ARC on behalf of whoever operated it."""
    started, evaluated, last = facts.started, evaluation_of(facts), facts.history.last
    program = {"name": "ARC", "softwareVersion": started.origin.commit or started.origin.code}
    arc = made.add(SoftwareApplication(made, f"{NAMESPACE}arc", program))
    agent = _somebody(made, "operator", "Person", started.actor.acts_for or NOT_PROVIDED)
    data, split, spec = (_apart(made, name, started.inputs[name]) for name in ("dataset", "split", "spec"))
    networks = [
        _apart(made, name, sha256)
        for name, sha256 in facts.result.files.items()
        if name.endswith(f"/{MODEL}")
    ]
    exported = [files[name] for name in files if name == f"{MODEL_FOLDER}/{NETWORK}"]
    cases = [file for name, file in files.items() if name.startswith(f"{MEASURED}/")]

    def action(name: str, used: list[Any], gave: list[Any], start: datetime, end: datetime) -> ContextEntity:
        said = {
            "@type": "CreateAction",
            "name": f"{name} of {facts.experiment.id}",
            "description": f"The {name}, as the ledger tells of it (ledger.jsonl).",
            "startTime": start.isoformat(timespec="milliseconds"),
            "endTime": end.isoformat(timespec="milliseconds"),
        }
        found = made.add(ContextEntity(made, f"#{name}", said))
        found["instrument"], found["agent"], found["object"], found["result"] = arc, agent, used, gave
        return found

    return [
        action("training", [data, split, spec], [*networks, *cases], started.at, evaluated.at),
        action("export", [*networks, files[LEDGER]], [files["model_card.json"], *exported], last.at, last.at),
    ]


def _apart(made: ROCrate, name: str, sha256: str) -> ContextEntity:
    """What is not in the folder, and known by its hash."""
    said = {"@type": "CreativeWork", "name": name, "sha256": sha256, "description": "not in this folder"}
    return made.add(ContextEntity(made, f"#{name.replace('/', '-')}", said))
