"""`sbom.cdx.json`: the software that trained the model, the model with its card, and the data, by name only.

CycloneDX 1.6 (ECMA-424). The library writes what it knows; the model card, which it does not know yet, is put
into what it has written. A figure is a string there, and its evaluation's hash stands in the property of the
same name.
"""

import json
from collections.abc import Iterator
from importlib.metadata import Distribution, distributions
from typing import Any
from uuid import UUID

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from arc_core.dossier.document import SIMULATED, WORDING
from arc_core.dossier.documents.validation import of_test, out_of_fold
from arc_core.dossier.facts import Facts
from arc_core.dossier.figure import Figure
from arc_core.dossier.intended_use import NOT_PROVIDED
from arc_core.provenance.canonical import sha256_of

FILE = "sbom.cdx.json"
PREFIX = "arc:"


def sbom(facts: Facts) -> bytes:
    """Of what is installed where it is written; the ledger has the hash of what trained the model."""
    installed = [_of(distribution) for distribution in _installed()]
    model, data = _model(facts), _data(facts)
    last = facts.history.last
    root = Component(name="ARC dossier", type=ComponentType.DATA, bom_ref="dossier", version=str(last.number))
    bom = Bom(
        serial_number=UUID(sha256_of([last.hash, facts.experiment.id])[:32]),
        metadata=BomMetaData(timestamp=last.at, component=root),
        components=[model, data, *installed],
        dependencies=[
            Dependency(root.bom_ref, [Dependency(model.bom_ref)]),
            Dependency(model.bom_ref, [Dependency(each.bom_ref) for each in (data, *installed)]),
        ],
        properties=[Property(name=f"{PREFIX}wording", value=WORDING)],
    )
    tree = json.loads(JsonV1Dot6(bom).output_as_string())
    for component in tree["components"]:
        if component["bom-ref"] == "model":
            component["modelCard"] = _card(facts)
    return json.dumps(tree, indent=1, ensure_ascii=False).encode() + b"\n"


def _installed() -> list[Distribution]:
    """One of each name, as importlib would find it."""
    found: dict[str, Distribution] = {}
    for each in distributions():
        found.setdefault(canonicalize_name(each.name), each)
    return [found[name] for name in sorted(found)]


def _of(distribution: Distribution) -> Component:
    name = canonicalize_name(distribution.name)
    version = distribution.version
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{name}@{version}",
        purl=PackageURL("pypi", name=name, version=version),
    )


def _model(facts: Facts) -> Component:
    started = facts.started
    said = {
        "study": facts.study.id,
        "champion": "yes" if facts.is_champion else "no",
        "evaluation": facts.evaluations.of(facts.experiment.id) or "",
        "spec_sha256": started.inputs["spec"],
        "split_sha256": started.inputs["split"],
        "seed": str(started.facts["seed"]),
        "code_sha256": started.origin.code,
        "git_commit": started.origin.commit,
        "requirements_lock_sha256": started.origin.lock,
        **{f"file:{name}:sha256": sha for name, sha in facts.result.files.items() if name.endswith(".pt")},
    }
    return Component(
        name=facts.experiment.id,
        type=ComponentType.MACHINE_LEARNING_MODEL,
        bom_ref="model",
        version="1",
        description=SIMULATED if facts.study.simulated else None,
        properties=[*_properties(said), *_properties(dict(_sources(facts)))],
    )


def _data(facts: Facts) -> Component:
    said = {"images": len(facts.dataset.cases), "simulated": facts.study.simulated}
    return Component(
        name=facts.dataset.name,
        type=ComponentType.DATA,
        bom_ref="data",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=facts.study.dataset_sha256)],
        properties=_properties({name: str(value).lower() for name, value in said.items()}),
    )


def _properties(said: dict[str, str]) -> list[Property]:
    return [Property(name=f"{PREFIX}{name}", value=value) for name, value in said.items() if value]


def _card(facts: Facts) -> dict[str, Any]:
    """By the schema of CycloneDX 1.6; what a person has to say is taken from there or NOT PROVIDED."""
    spec, use = facts.experiment.outcome.spec, facts.use
    limits = [WORDING, *([SIMULATED] if facts.study.simulated else []), use.answer("data.limits")]
    return {
        "modelParameters": {
            "approach": {"type": "supervised"},
            "task": spec.task,
            "modelArchitecture": spec.architecture.name,
            "datasets": [{"ref": "data"}],
        },
        "quantitativeAnalysis": {
            "performanceMetrics": [_metric(part, figure) for part, figure in _figures(facts)]
        },
        "considerations": {
            "users": [use.answer("device.intended_users")],
            "useCases": [use.answer("device.intended_use")],
            "technicalLimitations": [each for each in limits if each != NOT_PROVIDED],
        },
    }


def _figures(facts: Facts) -> Iterator[tuple[str, Figure]]:
    """With the part of the data that each was measured on."""
    tested = of_test(facts)
    if tested is not None:
        yield from (("internal testing", figure) for figure in tested.main().values())
    yield from (("out-of-fold", figure) for figure in out_of_fold(facts).main().values())


def _metric(part: str, figure: Figure) -> dict[str, Any]:
    said: dict[str, Any] = {"type": figure.name, "value": repr(figure.value), "slice": part}
    if figure.low is not None and figure.high is not None:
        said["confidenceInterval"] = {"lowerBound": repr(figure.low), "upperBound": repr(figure.high)}
    return said


def _sources(facts: Facts) -> Iterator[tuple[str, str]]:
    for part, figure in _figures(facts):
        yield f"metric:{part}:{figure.name}:evaluation", figure.evaluation
