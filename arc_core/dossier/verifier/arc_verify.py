#!/usr/bin/env python3
"""Checks a dossier of ARC: python verify.py [FOLDER] [--key ID].

It needs Python 3.9 or newer and nothing else: no package, no network, none of ARC. Exit code 0: all that is
listed in VERIFY.md holds. 1: something is wrong, and the first thing wrong is named. 2: no dossier is here.
"""

from __future__ import annotations

import argparse
import base64
import csv
import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from arc_core.dossier.verifier.ed25519 import is_signed
from arc_core.dossier.verifier.figures import leaves, objects

GENESIS = "0" * 64
HEAD = "application/vnd.arc.ledger-head+json"
MANIFEST = "application/vnd.arc.dossier-manifest+json"
STATEMENT = "application/vnd.in-toto+json"
BESIDE = ("manifest.json", "manifest.sig.json")  # of which the manifest itself can't tell
MEASURED, TESTS = "measured/", "evaluations/"
PRINTED = re.compile(r"[\d\]]\s\(([0-9a-f]{8})\)")
FAULTS = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


class Wrong(Exception):
    """What is not as it was written."""


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Check a dossier of ARC.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--key", default="", metavar="ID", help="how the key's id begins, as you noted it")
    given = parser.parse_args(arguments)
    if not (given.folder / "ledger.jsonl").is_file():
        print(f"There is no dossier in {given.folder}: it has no ledger.jsonl", file=sys.stderr)
        return 2
    try:
        for line in Dossier(given.folder, given.key).checked():
            print(line)
    except Wrong as fault:
        print(f"WRONG: {fault}", file=sys.stderr)
        return 1
    print("All of this holds. VERIFY.md says what it proves, and what it does not.")
    return 0


class Dossier:
    """A folder, checked in the order of VERIFY.md."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key
        self.events: list[dict[str, Any]] = []
        self.hashes: list[str] = []
        self.place: dict[str, int] = {}  # hash of an event → its number
        self.keys: dict[str, bytes] = {}  # id → public key
        self.told: dict[str, Any] = {}  # the manifest

    def checked(self) -> Iterator[str]:
        """A line for each step that holds. Wrong at the first that doesn't."""
        steps = (self.chain, self.heads, self.manifest, self.files, self.measured, self.attestation)
        for step in (*steps, self.openings, self.numbers):
            try:
                told = step()
            except FAULTS as error:
                raise Wrong(f"{step.__name__} can't be read: {type(error).__name__}: {error}") from error
            yield f"{step.__name__:<12}{told}"

    def chain(self) -> str:
        """Each event's line holds the SHA-256 of the line before it."""
        previous = GENESIS
        for number, line in enumerate(self.lines("ledger.jsonl"), 1):
            try:
                event = json.loads(line)
                placed, before = event["number"], event["previous"]
                what = f"{event['kind']} of {event['subject']}"
            except FAULTS as error:
                raise Wrong(f"event {number} is no event: it was changed") from error
            if placed != number:
                raise Wrong(f"event {number} is missing: {placed} stands in its place")
            if before != previous:
                raise Wrong(
                    f"event {number} ({what}) does not follow the one before "
                    f"it: event {number - 1} was changed, or this one was moved or put in"
                )
            previous = hashlib.sha256(line).hexdigest()
            self.place[previous] = number
            self.hashes.append(previous)
            self.events.append(event)
            if event["kind"] == "key.declared":
                self.declare(event["facts"], number)
        if not self.events:
            raise Wrong("event 1 and what followed are gone: ledger.jsonl is empty")
        return f"{len(self.events)} events, {self.events[0]['at']} to {self.events[-1]['at']}"

    def declare(self, said: dict[str, str], number: int) -> None:
        """A key's id is the hash of the key, so that no other can be given for it."""
        form = {"keytype": "ed25519", "keyval": {"public": said["public_key"]}, "scheme": "ed25519"}
        canonical = json.dumps(form, sort_keys=True, separators=(",", ":")).encode()
        if said["key"] != hashlib.sha256(canonical).hexdigest():
            raise Wrong(f"event {number} declares a key under an id that is not its own")
        if said["key"].startswith(self.key):
            self.keys[said["key"]] = bytes.fromhex(said["public_key"])

    def heads(self) -> str:
        """The chain ended with these events at these moments."""
        count = 0
        for count, line in enumerate(self.lines("heads.jsonl"), 1):
            head = json.loads(self.signed(json.loads(line), HEAD, f"line {count} of heads.jsonl"))
            number = head["number"]
            if number > len(self.events):
                raise Wrong(
                    f"event {len(self.events) + 1} and what followed are cut off: a head signed at "
                    f"{head['at']} stands at event {number}"
                )
            if (head["ledger"], head["hash"]) != (self.hashes[0], self.hashes[number - 1]):
                raise Wrong(f"event {number} is not the one signed at {head['at']}: the ledger was rewritten")
        return f"{count} signed heads stand in the chain"

    def manifest(self) -> str:
        """It is signed, and names the ledger's end."""
        content = self.read("manifest.json")
        if self.signed(json.loads(self.read("manifest.sig.json")), MANIFEST, "manifest.sig.json") != content:
            raise Wrong("manifest.json is not the one that was signed")
        self.told = json.loads(content)
        ledger, count = self.told["ledger"], len(self.events)
        if count < ledger["events"]:
            raise Wrong(f"event {count + 1} and what followed are cut off")
        if (count, self.hashes[-1]) != (ledger["events"], ledger["last"]):
            raise Wrong(f"event {count} was changed or put in: it is not the last that was exported")
        return f"signed with key {self.told['key']}"

    def files(self) -> str:
        """Each file is as it was exported, and there is no other."""
        listed, found = self.told["files"], set(self.walk()).difference(BESIDE)
        for name in sorted(found.union(listed)):
            if name not in found:
                raise Wrong(f"{name} is missing")
            if name not in listed:
                raise Wrong(f"{name} is no file of the dossier: it was put in")
            if self.sha256(name) != listed[name]["sha256"]:
                raise Wrong(f"{name} was changed")
        return f"{len(listed)}, each as it was exported, and no other"

    def measured(self) -> str:
        """Cases and evaluations are those that the ledger names."""
        kept = [name for name in self.told["files"] if name.startswith((MEASURED, TESTS))]
        for name in kept:
            if self.outputs().get(name) != self.told["files"][name]["sha256"]:
                raise Wrong(f"{name} is not the file that the ledger says was measured")
        return f"{len(kept)} files are those that the ledger names"

    def attestation(self) -> str:
        """The statement on the training is signed, and is about what lies here or was measured."""
        name = "attestation.intoto.json"
        said = json.loads(self.signed(json.loads(self.read(name)), STATEMENT, name))
        known = {path: each["sha256"] for path, each in self.told["files"].items()} | self.outputs()
        for subject in said["subject"]:
            if known.get(subject["name"]) != subject["digest"]["sha256"]:
                raise Wrong(f"{name} is about {subject['name']}, which is neither here nor was it measured")
        return f"signed, of {len(said['subject'])} files of the training"

    def outputs(self) -> dict[str, str]:
        """Name here → SHA-256, of the experiment's files and of each opening's evaluation."""
        own = self.events[self.place[self.told["evaluation"]] - 1]["outputs"]
        named = {MEASURED + name: sha256 for name, sha256 in own.items()}
        for event in self.of("eval.completed", self.told["study"]):
            named.update(event["outputs"])
        return named

    def openings(self) -> str:
        """split.frozen, sap.locked, threshold.locked, testset.opened, eval.completed, in this order."""
        study, count = self.told["study"], 0
        split = next((each["number"] for each in self.of("split.frozen", study)), len(self.events))
        for count, event in enumerate(self.of("testset.opened", study), 1):
            number, facts = event["number"], event["facts"]
            plan, lock = (self.place.get(facts[name], 0) for name in ("plan", "threshold"))
            if not split < plan < lock < number:
                raise Wrong(f"event {number} opened the test part before split, plan and threshold stood")
            locked = [
                (each["kind"], each["subject"]) for each in (self.events[plan - 1], self.events[lock - 1])
            ]
            under = self.events[lock - 1]["facts"].get("plan")
            if [*locked, under] != [
                ("sap.locked", study),
                ("threshold.locked", facts["experiment"]),
                facts["plan"],
            ]:
                raise Wrong(f"event {number} names a plan or a threshold that was not locked")
            if facts["number"] != count:
                raise Wrong(f"event {number} is opening {count} of the test part, and says {facts['number']}")
        self.check_measured(study)
        on_card = len(json.loads(self.read("model_card.json"))["testset_openings"])
        if on_card != count:
            raise Wrong(
                f"model_card.json tells of {on_card} openings of the test part, the ledger of {count}"
            )
        return f"{count} of the test part, in the right order, as on the model card"

    def check_measured(self, study: str) -> None:
        opened = {each["facts"]["number"]: each["number"] for each in self.of("testset.opened", study)}
        for event in self.of("eval.completed", study):
            if event["number"] < opened.get(event["facts"]["opening"], event["number"] + 1):
                raise Wrong(f"event {event['number']} measured a test part that was not opened")

    def numbers(self) -> str:
        """Each number of the documents names an eval.completed of the chain."""
        known = {self.hashes[each["number"] - 1]: each for each in self.of("eval.completed")}
        short = {sha256[:8]: sha256 for sha256 in known}
        found = {sha256: leaves([event["facts"], self.kept(event)]) for sha256, event in known.items()}
        count = same = 0
        for name in (name for name in sorted(self.told["files"]) if not name.startswith((MEASURED, TESTS))):
            for source, said in self.figures(name):
                source = short.get(source, source)
                if source not in known:
                    raise Wrong(f"{name} has a number of evaluation {source}, which the ledger does not have")
                self.compare(name, said, known[source], found[source])
                count += 1
                same += said.get("value") in found[source]
        return f"{count} name evaluations of the chain; {same} are there as they stand"

    def figures(self, name: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """What a file says, each with the evaluation that it names."""
        if name.endswith(".md"):
            yield from ((short, {}) for short in PRINTED.findall(self.read(name).decode()))
        elif name.endswith(".json"):
            yield from objects(json.loads(self.read(name)))
        elif name.endswith(".csv"):
            for row in csv.DictReader(self.read(name).decode().splitlines(keepends=True)):
                if row.get("evaluation_sha256"):
                    yield row["evaluation_sha256"], row

    def compare(self, name: str, said: dict[str, Any], event: dict[str, Any], found: set[float]) -> None:
        """Wrong where the evaluation has another number: a metric by its name, a test part's any."""
        for metric, estimate in event["facts"].get("metrics", {}).items():
            for column, end in ((metric, "value"), (f"{metric}_low", "low"), (f"{metric}_high", "high")):
                if said.get(column) and float(said[column]) != estimate[end]:
                    raise Wrong(
                        f"{name}: {column} {said[column]}, but event {event['number']}: {estimate[end]}"
                    )
        if self.kept_names(event) and "value" in said and said["value"] not in found:
            raise Wrong(
                f"{name}: {said.get('name')} {said['value']} is not what event {event['number']} measured"
            )

    def kept(self, event: dict[str, Any]) -> list[Any]:
        """The evaluation of a test part, which lies here."""
        return [json.loads(self.read(name))["opened"] for name in self.kept_names(event)]

    def kept_names(self, event: dict[str, Any]) -> list[str]:
        return [name for name in event["outputs"] if name.startswith(TESTS) and name in self.told["files"]]

    def of(self, kind: str, subject: str | None = None) -> list[dict[str, Any]]:
        """Events, oldest first."""
        return [each for each in self.events if each["kind"] == kind and subject in (None, each["subject"])]

    def signed(self, envelope: dict[str, Any], kind: str, where: str) -> bytes:
        """What a DSSE envelope holds. Wrong unless a key that the ledger declares has signed it."""
        payload = base64.b64decode(envelope["payload"], validate=True)
        message = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
        for signature in envelope["signatures"] if envelope["payloadType"] == kind else ():
            key = self.keys.get(signature["keyid"])
            if key and is_signed(key, message, base64.b64decode(signature["sig"], validate=True)):
                return payload
        raise Wrong(f"{where} was changed, or signed with a key that the ledger did not declare")

    def lines(self, name: str) -> list[bytes]:
        *lines, rest = self.read(name).split(b"\n")
        if rest:
            raise Wrong(f"the last line of {name} is cut")
        return lines

    def read(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def sha256(self, name: str) -> str:
        digest = hashlib.sha256()
        with (self.folder / name).open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        return digest.hexdigest()

    def walk(self) -> Iterator[str]:
        for path in sorted(self.folder.rglob("*")):
            if path.is_symlink():
                raise Wrong(f"{path} is a link")
            if not path.is_dir():
                yield path.relative_to(self.folder).as_posix()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
