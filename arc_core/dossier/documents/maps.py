"""The maps: each item of a checklist or rule, and where in the dossier it is answered, or by whom.

The items are in `arc_core/dossier/maps/*.csv`, in ARC's own short words. `evidence` is a document of the
dossier, or for a person's a field of `intended_use.yaml`. `needs`: what the data must have for it.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from arc_core.dossier.document import Document, Section, Table, text
from arc_core.dossier.documents.split import Sheet
from arc_core.dossier.facts import Facts
from arc_core.dossier.guidance import CLAIM, GMLP, PART11, STARD, TRIPOD
from arc_core.dossier.intended_use import FILE, NOT_PROVIDED
from arc_core.record import Record

FOLDER = Path(__file__).parents[1] / "maps"
Status = Literal["auto", "person", "not available"]


class Map(Record):
    """`file`: of the dossier, without its ending. `note`: what a reader must know of it."""

    file: str
    source: str
    title: str
    guidance_version: str
    note: str


CAVEAT = (
    "Items are numbered as in the published list and put in ARC's own short words: read the list itself. "
    "`auto` says that the dossier holds evidence, not that the item is fulfilled."
)
MAPS = (
    Map(
        file="claim2024", source="claim2024", title="CLAIM 2024 map", guidance_version=CLAIM, note="44 items."
    ),
    Map(file="stard_ai", source="stard_ai", title="STARD-AI map", guidance_version=STARD, note="40 items."),
    Map(
        file="tripod_ai", source="tripod_ai", title="TRIPOD+AI map", guidance_version=TRIPOD, note="27 items."
    ),
    Map(
        file="gmlp_map",
        source="gmlp",
        title="GMLP map",
        guidance_version=GMLP,
        note="ARC gives evidence for principles 2 to 6 and 8, partly for 9, and none for 7. "
        "Representativeness (3) and fitness of the reference standard (5) are for a person to show; ARC "
        "shows what the data are.",
    ),
    Map(
        file="part11_map",
        source="part11",
        title="Part 11 map",
        guidance_version=PART11,
        note="ARC gives evidence for 11.10 (a), (b), (c), (e), (f) and (k); this is no Part 11 validation. "
        "What the owner of the system must supply is marked `person`.",
    ),
)


class Item(Record):
    """A row of a map, as this dossier answers it."""

    item: str
    requirement: str
    status: Status
    evidence: str
    answered: str


def items_of(facts: Facts, map_: Map) -> tuple[Item, ...]:
    with (FOLDER / f"{map_.source}.csv").open(newline="", encoding="utf-8") as file:
        return tuple(_item(facts, row) for row in csv.DictReader(file))


def _item(facts: Facts, row: dict[str, str]) -> Item:
    status, evidence, needs = row["status"], row["evidence"], row["needs"]
    if needs and not NEEDS[needs][0](facts):
        status, evidence, answered = "not available", "", NEEDS[needs][1]
    elif status == "person":
        answered = "provided" if facts.use.answer(evidence) != NOT_PROVIDED else NOT_PROVIDED
        evidence = f"{FILE}: {evidence}"
    else:
        answered = "evidence given" if status == "auto" else "no part of ARC's record"
    return Item.model_validate(
        {name: row[name] for name in ("item", "requirement")}
        | {"status": status, "evidence": evidence, "answered": answered}
    )


NEEDS: dict[str, tuple[Callable[[Facts], bool], str]] = {
    "ids": (lambda facts: facts.dataset.has_patient_ids, "the data name no patients"),
    "sites": (
        lambda facts: len({case.site for case in facts.dataset.cases}) > 1,
        "the data name no two sites",
    ),
    "labels": (lambda facts: facts.found.classification is not None, "not every image has a label"),
    "test": (lambda facts: facts.opened is not None, "no test part was opened for this model"),
}
"""What the data must have → whether they do, and what is said where they don't."""


def map_sheet(facts: Facts, map_: Map) -> Sheet:
    head = ("item", "requirement", "status", "evidence", "answered", "guidance_version")
    return head, [
        (each.item, each.requirement, each.status, each.evidence, each.answered, map_.guidance_version)
        for each in items_of(facts, map_)
    ]


def map_document(facts: Facts, map_: Map) -> Document:
    items = items_of(facts, map_)
    counts = ", ".join(
        f"{sum(each.status == status for each in items)} {status}"
        for status in ("auto", "person", "not available")
    )
    return Document(
        name=map_.file,
        title=map_.title,
        follows=map_.guidance_version,
        landscape=True,
        sections=(
            Section(title="How to read it", blocks=(text(f"{map_.note} {CAVEAT} Rows: {counts}."),)),
            Section(
                title="Items",
                blocks=(
                    Table(
                        head=("item", "requirement", "status", "evidence", "answered"),
                        rows=tuple(
                            (each.item, each.requirement, each.status, each.evidence, each.answered)
                            for each in items
                        ),
                        widths=(0.08, 0.42, 0.11, 0.23, 0.16),
                    ),
                ),
            ),
        ),
    )
