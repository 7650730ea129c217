"""A dossier's machine-readable half, of a real study whose test part was opened: outside validators take it,
and its verifier, which has nothing but the standard library, names whatever was done to it."""

import ast
import hashlib
import json
import shutil
import subprocess
import sys
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from prov.model import ProvDocument
from rdflib import Graph, Namespace, URIRef
from securesystemslib.dsse import Envelope
from securesystemslib.signer import CryptoSigner

from arc_core.dossier.seals.manifest import PAYLOAD_TYPE
from arc_core.provenance.canonical import canonical_json
from arc_core.provenance.heads import KEY, Head, declaration, signer_in
from arc_core.provenance.heads import PAYLOAD_TYPE as HEAD_TYPE
from arc_core.provenance.ledger import GENESIS
from tests.command import TWO, environment, memory_in, run_cycle
from tests.conftest import ROOT

CONTEXT = ROOT / "tests" / "data" / "ro-crate-1.1-context.jsonld"
SCHEMA = Namespace("http://schema.org/")
BESIDE = {"manifest.json", "manifest.sig.json"}


def command(home: Path, *arguments: str) -> str:
    ran = subprocess.run(
        [sys.executable, "-m", "flows.dossier", *arguments],
        cwd=ROOT,
        env=environment(home, ARC_OPERATOR="Eye Clinic"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """After a cycle whose champion has met the test part, and an export to `out` beside it."""
    home = tmp_path_factory.mktemp("sealed") / "home"
    ran = run_cycle(home, *TWO, "data.synthetic.cases=24", "data.test=0.25", ARC_OPERATOR="Eye Clinic")
    assert ran.code == 0, ran.err
    command(home, "lock-plan", "--by", "Ada")
    command(home, "lock-threshold", "--by", "Ada")
    command(home, "open-test", "--by", "Ada", "--reason", "the study is over")
    command(home, "export", str(home.with_name("out")))
    return home


@pytest.fixture(scope="module")
def exported(home) -> Path:
    return home.with_name("out")


@pytest.fixture
def dossier(exported, tmp_path) -> Path:
    """A copy of it to do harm to."""
    return Path(shutil.copytree(exported, tmp_path / "dossier"))


def verified(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Its own verifier, in a Python that finds no package."""
    return subprocess.run(
        [sys.executable, "-I", "-S", "verify.py", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def fault(folder: Path, *arguments: str) -> str:
    ran = verified(folder, *arguments)
    assert ran.returncode == 1, ran.stdout + ran.stderr
    (line,) = ran.stderr.splitlines()
    return line.removeprefix("WRONG: ")


def test_as_it_was_exported_all_of_it_holds(exported):
    before = set(exported.rglob("*"))
    ran = verified(exported)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "openings    1 of the test part" in ran.stdout
    assert set(exported.rglob("*")) == before


def test_the_verifier_needs_the_standard_library_of_python_3_9(exported):
    tree = ast.parse((exported / "verify.py").read_text(), feature_version=(3, 9))
    names = {
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names


def test_where_there_is_no_dossier_it_says_so(exported, tmp_path):
    ran = verified(exported, str(tmp_path))
    assert ran.returncode == 2
    assert "no dossier" in ran.stderr


# What is done by somebody who has no key.


def edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    def harm(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new, 1))

    return harm


def lines(
    change: Callable[[list[bytes]], list[bytes]], name: str = "ledger.jsonl"
) -> Callable[[Path], object]:
    def harm(folder: Path) -> None:
        kept = (folder / name).read_bytes().splitlines(keepends=True)
        (folder / name).write_bytes(b"".join(change(kept)))

    return harm


def with_manifest(harm: Callable[[Path], object]) -> Callable[[Path], object]:
    """As who knows that hashes have to fit."""

    def careful(folder: Path) -> None:
        harm(folder)
        (folder / "manifest.json").write_bytes(manifest(folder))

    return careful


def manifest(folder: Path) -> bytes:
    told = json.loads((folder / "manifest.json").read_bytes())
    chain = (folder / "ledger.jsonl").read_bytes().splitlines()
    ends = {"first": sha256(chain[0]), "last": sha256(chain[-1]), "events": len(chain)}
    files = {
        path.relative_to(folder).as_posix(): {
            "bytes": path.stat().st_size,
            "sha256": sha256(path.read_bytes()),
        }
        for path in folder.rglob("*")
        if path.is_file() and path.name not in BESIDE
    }
    return json.dumps(told | {"ledger": ends, "files": files}).encode()


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


HARM = {
    "an event edited": (lines(lambda e: [*e[:5], e[5].replace(b"offline", b"human"), *e[6:]]), "event 7 ("),
    "the last event edited": (
        lines(lambda e: [*e[:-1], e[-1].replace(b"0", b"1", 1)]),
        "is not the one signed",
    ),
    "an event deleted": (lines(lambda e: [*e[:4], *e[5:]]), "event 5 is missing: 6 stands in its place"),
    "events reordered": (lines(lambda e: [*e[:4], e[5], e[4], *e[6:]]), "event 5 is missing"),
    "an event put in": (lines(lambda e: [*e[:4], e[4], *e[4:]]), "event 6 is missing: 5 stands"),
    "the tail cut off": (lines(lambda e: e[:-3]), "and what followed are cut off"),
    "half a line": (lines(lambda e: [*e[:-1], e[-1][:40]]), "the last line of ledger.jsonl is cut"),
    "no event left": (lines(lambda e: []), "event 1 and what followed are gone"),
    "no JSON": (lines(lambda e: [*e[:4], b"nothing\n", *e[5:]]), "event 5 is no event"),
    "a head taken from another moment": (
        lines(lambda e: [e[0].replace(b"sig", b"gis"), *e[1:]], "heads.jsonl"),
        "heads can't be read: KeyError",
    ),
    "a number on the model card changed": (
        edit("model_card.json", '"value": 0.', '"value": 0.9'),
        "model_card.json was changed",
    ),
    "a document edited": (edit("gap_report.md", "NOT PROVIDED", "provided"), "gap_report.md was changed"),
    "a checkpoint swapped": (
        lambda folder: (folder / "model/models/model.pt2").write_bytes(b"another"),
        "model/models/model.pt2 was changed",
    ),
    "a file put in": (
        lambda folder: (folder / "fda_letter.pdf").write_bytes(b"%PDF"),
        "fda_letter.pdf is no file",
    ),
    "a hidden file put in": (lambda folder: (folder / "estar/.x").write_bytes(b""), "estar/.x is no file"),
    "a file taken out": (lambda folder: (folder / "gap_report.md").unlink(), "gap_report.md is missing"),
    "a link put in": (lambda folder: (folder / "link").symlink_to("/etc"), "link is a link"),
    "the manifest is none": (edit("manifest.json", '"files"', '"filed"'), "is not the one that was signed"),
    "its signature is gone": (
        lambda folder: (folder / "manifest.sig.json").unlink(),
        "manifest can't be read: FileNotFoundError",
    ),
}


@pytest.mark.parametrize("what", HARM)
def test_whatever_was_done_is_named(dossier, what):
    harm, said = HARM[what]
    harm(dossier)
    assert said in fault(dossier)


@pytest.mark.parametrize(
    "what", ["a number on the model card changed", "a checkpoint swapped", "a file put in"]
)
def test_hashes_that_fit_help_nobody_without_the_key(dossier, what):
    with_manifest(HARM[what][0])(dossier)
    assert fault(dossier) == "manifest.json is not the one that was signed"


# What is done by who holds a key: this ledger's, or another.


def signed(payload: bytes, kind: str, signer: CryptoSigner) -> bytes:
    envelope = Envelope(payload, kind, {})
    envelope.sign(signer)
    return json.dumps(envelope.to_dict(), separators=(",", ":")).encode() + b"\n"


def sign_anew(folder: Path, signer: CryptoSigner) -> None:
    """Heads, attestation and manifest, as they fit what lies there now."""
    chain = (folder / "ledger.jsonl").read_bytes().splitlines()
    last = json.loads(chain[-1])
    head = Head(ledger=sha256(chain[0]), number=len(chain), hash=sha256(chain[-1]), at=last["at"])
    (folder / "heads.jsonl").write_bytes(signed(head.model_dump_json().encode(), HEAD_TYPE, signer))
    statement = b64decode(json.loads((folder / "attestation.intoto.json").read_bytes())["payload"])
    (folder / "attestation.intoto.json").write_bytes(
        signed(statement, "application/vnd.in-toto+json", signer)
    )
    told = manifest(folder)
    (folder / "manifest.json").write_bytes(told)
    (folder / "manifest.sig.json").write_bytes(signed(told, PAYLOAD_TYPE, signer))


def events(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "ledger.jsonl").read_bytes().splitlines()]


def test_another_key_is_not_the_one_that_the_ledger_declares(dossier):
    sign_anew(dossier, CryptoSigner.generate_ed25519())
    assert "line 1 of heads.jsonl was changed, or signed with a key that the ledger did not declare" in fault(
        dossier
    )


def rewrite(folder: Path, signer: CryptoSigner, change: Callable[[list[dict]], object]) -> None:
    """The whole record anew; what names an event by its hash is put right, here and in the documents."""
    told, names, previous, written = events(folder), {}, GENESIS, []
    for line, event in zip((folder / "ledger.jsonl").read_bytes().splitlines(), told, strict=True):
        event["was"] = sha256(line)
    change(told)
    for number, event in enumerate(told, 1):
        old = event.pop("was")
        text = canonical_json(event | {"number": number, "previous": previous}).decode()
        for was, now in names.items():
            text = text.replace(was, now)
        previous = names[old] = sha256(text.encode())
        written.append(f"{text}\n")
    (folder / "ledger.jsonl").write_text("".join(written))
    for path in [*folder.glob("*.json"), *folder.glob("*.csv"), *folder.rglob("*.md")]:
        text = path.read_text()
        for was, now in names.items():
            text = text.replace(was, now).replace(f"({was[:8]})", f"({now[:8]})")
        path.write_text(text)
    sign_anew(folder, signer)


def declare(signer: CryptoSigner) -> Callable[[list[dict]], None]:
    def change(told: list[dict]) -> None:
        (event,) = [event for event in told if event["kind"] == "key.declared"]
        event["facts"] = declaration(signer)

    return change


def test_a_whole_record_of_another_key_is_known_by_the_keys_id_alone(dossier, home):
    """As VERIFY.md says: consistency is not honesty."""
    own, other = signer_in(home).public_key.keyid, CryptoSigner.generate_ed25519()
    rewrite(dossier, other, declare(other))
    assert verified(dossier).returncode == 0, verified(dossier).stderr
    assert "signed with a key that the ledger did not declare" in fault(dossier, "--key", own[:16])


def test_a_key_under_anothers_id_is_refused(dossier, home):
    other = CryptoSigner.generate_ed25519()

    def change(told: list[dict]) -> None:
        declare(other)(told)
        declare_again = next(event for event in told if event["kind"] == "key.declared")
        declare_again["facts"]["key"] = signer_in(home).public_key.keyid

    rewrite(dossier, other, change)
    assert "declares a key under an id that is not its own" in fault(dossier)


def the(told: list[dict], kind: str) -> dict:
    (found,) = [event for event in told if event["kind"] == kind]
    return found


def swap(first: str, second: str) -> Callable[[list[dict]], None]:
    def change(told: list[dict]) -> None:
        one, other = the(told, first), the(told, second)
        here, there = told.index(one), told.index(other)
        told[here], told[there] = other, one

    return change


def measured_in_silence(told: list[dict]) -> None:
    told.remove(the(told, "testset.opened"))


def opened_twice(told: list[dict]) -> None:
    opened = the(told, "testset.opened")
    told.append(opened | {"facts": opened["facts"] | {"number": 2}, "was": "of no event"})


def miscounted(told: list[dict]) -> None:
    the(told, "testset.opened")["facts"]["number"] = 2


def of_other_cases(told: list[dict]) -> None:
    for event in told:
        event["outputs"] = {
            name: "0" * 64 if name == "cases.json" else v for name, v in event["outputs"].items()
        }


def of_another_network(told: list[dict]) -> None:
    for event in told:
        event["outputs"] = {
            name: "0" * 64 if name.endswith("model.pt") else v for name, v in event["outputs"].items()
        }


def of_no_evaluation(told: list[dict]) -> None:
    """The evaluation of another experiment is taken out; its numbers still stand in the documents."""
    measured = [
        each for each in told if each["kind"] == "eval.completed" and each["subject"].startswith("exp-")
    ]
    champion = [each["subject"] for each in told if each["kind"] == "champion.promoted"][-1]
    told.remove(next(each for each in measured if each["subject"] != champion))


def with_better_dice(told: list[dict]) -> None:
    for event in told:
        if event["kind"] == "eval.completed" and "metrics" in event["facts"]:
            event["facts"]["metrics"]["disc_dice"]["value"] = 0.999


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (swap("split.frozen", "sap.locked"), "before split, plan and threshold stood"),
        (swap("sap.locked", "threshold.locked"), "before split, plan and threshold stood"),
        (swap("threshold.locked", "testset.opened"), "before split, plan and threshold stood"),
        (measured_in_silence, "measured a test part that was not opened"),
        (opened_twice, "model_card.json tells of 1 openings of the test part, the ledger of 2"),
        (miscounted, "is opening 1 of the test part, and says 2"),
        (of_other_cases, "measured/cases.json is not the file that the ledger says was measured"),
        (of_another_network, "fold-0/model.pt, which is neither here nor was it measured"),
        (of_no_evaluation, "which the ledger does not have"),
        (with_better_dice, "experiments.csv: disc_dice "),
    ],
)
def test_the_right_key_helps_nobody_where_the_record_contradicts_itself(dossier, home, change, said):
    rewrite(dossier, signer_in(home), change)
    assert said in fault(dossier)


def test_a_number_of_the_test_part_is_the_one_that_was_measured(dossier, home):
    card = json.loads((dossier / "model_card.json").read_bytes())
    card["performance"]["internal testing"]["AUC"]["value"] = 0.12345
    (dossier / "model_card.json").write_bytes(json.dumps(card).encode())
    sign_anew(dossier, signer_in(home))
    assert "model_card.json: AUC 0.12345 is not what event" in fault(dossier)


# What others say of it.


def test_the_sbom_is_strict_cyclonedx(exported):
    text = (exported / "sbom.cdx.json").read_text()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    components = {each["name"]: each for each in json.loads(text)["components"]}
    assert components["torch"]["purl"].startswith("pkg:pypi/torch@")
    (model,) = [each for each in components.values() if each["type"] == "machine-learning-model"]
    (data,) = [each for each in components.values() if each["type"] == "data"]
    evaluations = {sha256(canonical_json(e)) for e in events(exported) if e["kind"] == "eval.completed"}
    metrics = model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
    sources = {each["name"]: each["value"] for each in model["properties"]}
    assert {each["slice"] for each in metrics} == {"internal testing", "out-of-fold"}
    assert {
        sources[f"arc:metric:{each['slice']}:{each['type']}:evaluation"] for each in metrics
    } <= evaluations
    assert data["hashes"][0]["content"] == next(e for e in events(exported))["outputs"]["dataset"]


def test_a_model_card_that_breaks_the_schema_is_seen(exported):
    """That the check above could fail: a numeric metric is no string."""
    tree = json.loads((exported / "sbom.cdx.json").read_text())
    (model,) = [each for each in tree["components"] if "modelCard" in each]
    model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"][0]["value"] = 0.9
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(tree)) is not None


def test_the_provenance_is_prov(exported):
    document = ProvDocument.deserialize(exported / "provenance.prov.json")
    assert document == ProvDocument.deserialize(content=document.serialize())
    text = document.get_provn()
    started = [event["subject"] for event in events(exported) if event["kind"] == "run.started"]
    for experiment in started:
        assert f"activity(arc:run-{experiment}," in text
    assert "wasDerivedFrom(arc:split-study-" in text
    assert "wasDerivedFrom(arc:threshold-exp-" in text
    assert 'prov:label="Eye Clinic"' in text
    assert "prov:Person" in text
    assert text.count("activity(arc:opening-study-") == 1


def test_the_attestation_is_in_totos(exported, home):
    envelope = Envelope.from_dict(json.loads((exported / "attestation.intoto.json").read_bytes()))
    assert envelope.payload_type == "application/vnd.in-toto+json"
    envelope.verify([signer_in(home).public_key], 1)
    said = json.loads(envelope.payload)
    assert said["_type"] == "https://in-toto.io/Statement/v1"
    assert said["predicateType"] == "https://slsa.dev/provenance/v1"
    network, *others = said["subject"]
    assert network["digest"]["sha256"] == sha256((exported / network["name"]).read_bytes())
    assert [each["name"].rpartition("/")[2] for each in others] == ["cases.json", "model.pt", "model.pt"]
    build = said["predicate"]["buildDefinition"]
    assert build["externalParameters"]["spec"]["seed"] == 0
    assert {each["name"] for each in build["resolvedDependencies"]} >= {"dataset", "split", "code"}


@pytest.mark.filterwarnings("ignore:ConjunctiveGraph is deprecated")  # rdflib's own reader
def test_the_crate_is_json_ld_with_every_file_and_what_the_profile_asks(exported):
    """RO-Crate 1.1's context is in tests/data, so that nothing is fetched."""
    tree = json.loads((exported / "ro-crate-metadata.json").read_text())
    assert tree["@context"][0] == "https://w3id.org/ro/crate/1.1/context"
    tree["@context"][0] = json.loads(CONTEXT.read_text())["@context"]
    base = "https://example.org/dossier/"
    graph = Graph().parse(data=json.dumps(tree), format="json-ld", publicID=base)
    for name in (path.relative_to(exported).as_posix() for path in exported.rglob("*") if path.is_file()):
        if name in BESIDE or name == "ro-crate-metadata.json":
            continue
        assert str(graph.value(URIRef(base + name), SCHEMA.sha256)) == sha256(
            (exported / name).read_bytes()
        ), name
    root = URIRef(base)
    profile = URIRef("https://w3id.org/ro/wfrun/process/0.5")
    assert (root, URIRef("http://purl.org/dc/terms/conformsTo"), profile) in graph
    actions = list(graph.objects(root, SCHEMA.mentions))
    assert len(actions) == 2
    for action in actions:
        for wanted in (SCHEMA.instrument, SCHEMA.agent, SCHEMA.result, SCHEMA.endTime):
            assert graph.value(action, wanted) is not None
    assert str(graph.value(graph.value(root, SCHEMA.license), SCHEMA.name)) == "NOT PROVIDED"


# And ARC's own record of it.


def test_the_ledger_tells_of_it_and_the_same_store_gives_the_same_dossier(home, exported, tmp_path):
    """Even after it has told of the first."""
    command(home, "export", str(tmp_path / "again"))
    sealed = [entry.event for entry in memory_in(home).ledger.entries(kind="export.sealed")]
    assert {event.outputs["manifest"] for event in sealed} == {
        sha256((exported / "manifest.json").read_bytes())
    }
    assert (tmp_path / "again" / "manifest.json").read_bytes() == (exported / "manifest.json").read_bytes()
    assert "Verified" in command(home, "verify")
    assert (home / KEY).exists()
