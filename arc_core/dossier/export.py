"""Writing a dossier: a folder that appears whole or not at all."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from arc_core.bundle.write import check_new
from arc_core.dossier.document import WORDING, Document
from arc_core.dossier.documents.datasheet import datasheet, reference_standard
from arc_core.dossier.documents.development import development_report
from arc_core.dossier.documents.experiments import experiments_sheet, trainings_sheet
from arc_core.dossier.documents.gap_report import gap_report
from arc_core.dossier.documents.hazards import hazard_candidates, hazard_sheet
from arc_core.dossier.documents.maps import MAPS, map_document, map_sheet
from arc_core.dossier.documents.model_card import card_json, model_card
from arc_core.dossier.documents.model_description import model_description
from arc_core.dossier.documents.pccp import (
    description_of_modifications,
    impact_assessment,
    modification_protocol,
)
from arc_core.dossier.documents.split import Sheet, access_log, leakage_report, split_manifest
from arc_core.dossier.documents.validation import deviations, sap_lock, validation_report
from arc_core.dossier.edition import edition_of
from arc_core.dossier.facts import Facts
from arc_core.dossier.guidance import NAMES, TITLES
from arc_core.dossier.intended_use import json_of
from arc_core.dossier.markdown import FIGURES, markdown_of
from arc_core.dossier.model import FOLDER as MODEL
from arc_core.dossier.model import write_model
from arc_core.dossier.pdf import pdf_of
from arc_core.dossier.seals.seal import seal_dossier, tell_of_dossier
from arc_core.experiments.memory import Memory
from arc_core.experiments.runs import Runs
from arc_core.provenance.canonical import Json, sha256_of_file
from arc_core.provenance.files import whole
from arc_core.settings import Settings

INDEX = "index.json"
"""Every file of the folder with its SHA-256, but for itself and what the seals write after it."""

DOCUMENTS: tuple[Callable[[Facts], Document], ...] = (
    gap_report,
    model_card,
    datasheet,
    reference_standard,
    leakage_report,
    model_description,
    development_report,
    validation_report,
    hazard_candidates,
    description_of_modifications,
    modification_protocol,
    impact_assessment,
    *(partial(map_document, map_=each) for each in MAPS),
)
"""In the order in which a reviewer reads them."""
SHEETS: dict[str, Callable[[Facts], Sheet]] = {
    "split_manifest": split_manifest,
    "testset_access_log": access_log,
    "experiments": experiments_sheet,
    "trainings": trainings_sheet,
    "deviations": deviations,
    "hazard_candidates": hazard_sheet,
    **{each.file: partial(map_sheet, map_=each) for each in MAPS},
}
"""Name of a CSV file → what is in it."""
RECORDS: dict[str, Callable[[Facts], Json]] = {
    "model_card.json": card_json,
    "sap.lock.json": sap_lock,
}
FLAT = "estar"


def export(folder: Path, facts: Facts, memory: Memory, settings: Settings) -> tuple[str, ...]:
    """Make `folder`, new or empty, the dossier; the files' paths in it, sorted.

    StoreError where something is there already or can't be written, Unfounded where a number has no
    evaluation. The same store gives the same bytes. Where it ends between the folder and the event that tells
    of it, another export gives the same dossier, and tells of it.
    """
    check_new(folder)
    contents = contents_of(facts)
    with whole(folder) as draft:
        for name, content in contents.items():
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        if facts.has_weights:
            write_model(draft / MODEL, facts, Runs.of(settings))
        (draft / INDEX).write_bytes(json_bytes(_index(draft, facts)))
        sealed = seal_dossier(draft, facts, memory, settings)
    tell_of_dossier(sealed, memory, settings)  # of what is there: a rename may fail
    return tuple(sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()))


def contents_of(facts: Facts) -> dict[str, bytes]:
    """Path in the folder → content. Unfounded where a number of a document has no evaluation."""
    edition, documents = edition_of(facts), [make(facts) for make in DOCUMENTS]
    check(facts, documents)
    files = {"intended_use.json": json_of(facts.use)}
    for place, document in enumerate(documents, 1):
        if document.name not in SHEETS:  # else its table is the CSV file
            files[f"{document.name}.md"] = markdown_of(document, edition, facts.evaluations.known).encode()
        files |= {f"{FIGURES}/{picture.name}": picture.content for picture in document.pictures()}
        pdf = pdf_of(document, edition, facts.evaluations.known)
        files[f"{FLAT}/{place:02}_{document.name.replace('/', '_')}.pdf"] = pdf
    files |= {f"{name}.csv": csv_bytes(*sheet(facts)) for name, sheet in SHEETS.items()}
    files |= {name: json_bytes(record(facts)) for name, record in RECORDS.items()}
    return files


def check(facts: Facts, documents: Sequence[Document]) -> None:
    """Unfounded unless every measured number and every picture resolves to an evaluation of the ledger."""
    for document in documents:
        for figure in document.figures():
            facts.evaluations.check(f"{figure.name} {figure.number}", figure.evaluation)
        for picture in document.pictures():
            facts.evaluations.check(picture.name, picture.evaluation)


def _index(folder: Path, facts: Facts) -> Json:
    """What lies in the folder, by name and hash, and which guidance each document follows."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        "wording": WORDING,
        "edition": edition_of(facts).model_dump(mode="json"),
        "documents": [
            {"name": name, "called": called, "guidance_version": version} for name, called, version in NAMES
        ],
        "guidance": TITLES,
        "files": {str(path.relative_to(folder)): sha256_of_file(path) for path in files},
    }


def json_bytes(tree: Json) -> bytes:
    return json.dumps(tree, indent=1, ensure_ascii=False).encode() + b"\n"


def csv_bytes(head: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return buffer.getvalue().encode()
