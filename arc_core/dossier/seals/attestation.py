"""`attestation.intoto.json`: a signed statement on where the model comes from.

In-toto Statement v1 (in-toto.io/Statement/v1) with SLSA provenance v1 (slsa.dev/provenance/v1) as its
predicate, in a DSSE envelope signed with the ledger's key. It says what ARC recorded of the training, and no
more: ARC is no build service that somebody has audited, so that it claims no SLSA level.
"""

import json
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict, ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1.resource_descriptor import ResourceDescriptor
from in_toto_attestation.v1.statement import Statement

from arc_core.bundle.configs import NETWORK
from arc_core.dossier.document import WORDING
from arc_core.dossier.facts import Facts
from arc_core.dossier.model import FOLDER as MODEL_FOLDER
from arc_core.dossier.seals.lineage import NAMESPACE
from arc_core.dossier.seals.measured import FOLDER as MEASURED
from arc_core.dossier.seals.measured import evaluation_of
from arc_core.experiments.result import CASES
from arc_core.provenance.canonical import sha256_of_file
from arc_core.training.fold import MODEL

FILE = "attestation.intoto.json"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"


def attestation(folder: Path, facts: Facts) -> bytes:
    """The statement: of the exported network where it lies here, the folds' that it is from, their cases."""
    made = {
        f"{MEASURED}/{name}": sha256
        for name, sha256 in sorted(facts.result.files.items())
        if name.rpartition("/")[2] in (MODEL, CASES)
    }
    exported = f"{MODEL_FOLDER}/{NETWORK}"
    if (folder / exported).is_file():
        made = {exported: sha256_of_file(folder / exported)} | made
    subjects = [ResourceDescriptor(name=name, digest={"sha256": sha}).pb for name, sha in made.items()]
    provenance = ParseDict(_provenance(facts), Provenance())  # refuses a field that SLSA does not have
    statement = Statement(subjects, PREDICATE_TYPE, MessageToDict(provenance))
    statement.validate()
    return json.dumps(MessageToDict(statement.pb), indent=1, sort_keys=True).encode()


def _provenance(facts: Facts) -> dict[str, Any]:
    started, evaluated = facts.started, evaluation_of(facts)
    commit = {"digest": {"gitCommit": started.origin.commit}} if started.origin.commit else {}
    inputs = {name: started.inputs[name] for name in ("dataset", "split")}
    program = {
        "code": started.origin.code,
        "requirements.lock": started.origin.lock,
        "environment": started.origin.environment,
    }
    return {
        "buildDefinition": {
            "buildType": f"{NAMESPACE}training:v1",
            "externalParameters": {"spec": started.facts["spec"], "seed": started.facts["seed"]},
            "internalParameters": {
                "machine": started.facts["machine"],
                "gpus": started.facts["gpus"],
                "dirty": started.origin.is_dirty,
            },
            "resolvedDependencies": [
                *(
                    {"name": name, "digest": {"sha256": sha}}
                    for name, sha in (inputs | program).items()
                    if sha
                ),
                *([{"name": "ARC", **commit}] if commit else []),
            ],
        },
        "runDetails": {
            "builder": {"id": f"{NAMESPACE}arc"},
            "metadata": {
                "invocationId": f"{facts.experiment.id}, ledger event {started.number} {started.hash}",
                "startedOn": started.at.isoformat(),
                "finishedOn": evaluated.at.isoformat(),
            },
            "byproducts": [
                {"name": "eval.completed", "digest": {"sha256": evaluated.hash}},
                {"name": "wording", "annotations": {"says": WORDING}},
            ],
        },
    }
