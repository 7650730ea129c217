"""The maps: each item of a checklist or rule, and where in the dossier it is answered, or by whom.

The items are in `arc_core/dossier/maps/*.csv`, in ARC's own short words. `evidence`: where in the dossier it
is. `person`: the fields of `intended_use.yaml` that the item rests on, alone or beside the evidence. `needs`:
what there must be, as otherwise the evidence says the opposite. An item's status follows from what is there.
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
from arc_core.evaluation.evaluation import Classification
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
    "The status auto says that the dossier holds evidence, not that the item is fulfilled; person, that it "
    "is for a person to show, alone or beside what ARC shows; not available, that this dossier has nothing "
    "for it."
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
        note="Representativeness (3) and fitness of the reference standard (5) are for a person to show; ARC "
        "shows what the data are. The team of human and AI (7) is no part of ARC's record.",
    ),
    Map(
        file="part11_map",
        source="part11",
        title="Part 11 map",
        guidance_version=PART11,
        note="This is no Part 11 validation. What the owner of the system must supply is for a person to "
        "show.",
    ),
)
NOTES: dict[Status, str] = {
    "auto": "The dossier holds evidence; whether the item is fulfilled is for a person to judge.",
    "person": "For a person to show.",
    "not available": "This dossier has nothing for it.",
}
"""A status → what stands in the sheet, which has no introduction."""


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
    evidence, fields, answered = row["evidence"], row["person"].split(), "evidence given"
    lacking = next((NEEDS[need][1] for need in row["needs"].split() if not NEEDS[need][0](facts)), "")
    provided = all(facts.use.answer(field) != NOT_PROVIDED for field in fields)
    status: Status = "auto"
    if lacking:
        status, evidence, fields, answered = "not available", "", [], lacking
    elif not evidence and not fields:
        status, answered = "not available", "no part of ARC's record"
    elif not evidence:
        status, answered = "person", "provided" if provided else NOT_PROVIDED
    elif not provided:
        status, answered = "person", f"ARC's part is there, a person's {NOT_PROVIDED}"
    elif fields:
        answered = "evidence given, and provided by a person"
    asked = [f"{FILE}: {', '.join(fields)}"] if fields else []
    return Item(
        item=row["item"],
        requirement=row["requirement"],
        status=status,
        evidence="; ".join([*([evidence] if evidence else []), *asked]),
        answered=answered,
    )


def _scored(facts: Facts) -> Classification | None:
    return facts.found.classification


NEEDS: dict[str, tuple[Callable[[Facts], bool], str]] = {
    "ids": (lambda facts: facts.dataset.has_patient_ids, "the data name no patients"),
    "sites": (
        lambda facts: len({case.site for case in facts.dataset.cases}) > 1,
        "the data name no two sites",
    ),
    "labels": (lambda facts: _scored(facts) is not None, "not every image has a label"),
    "confusion": (
        lambda facts: (scores := _scored(facts)) is not None and scores.confusion is not None,
        "no threshold could be chosen",
    ),
    "subgroups": (lambda facts: bool(facts.found.subgroups), "no subgroups were evaluated"),
    "relevance": (lambda facts: "dri" in facts.result.metrics, "relevance (DRI) was not measured"),
    "worst": (lambda facts: bool(facts.worst), "no worst cases are shown"),
    "weights": (lambda facts: facts.has_weights, "the networks' files are no longer there"),
    "part": (lambda facts: facts.split.sealed is not None, "no test part was set apart"),
    "unseen": (
        lambda facts: facts.split.sealed is not None and not facts.split.sealed.trained_before,
        "other studies had trained on images of the test part",
    ),
    "test": (lambda facts: facts.opened is not None, "no test part was opened for this model"),
    "plan": (lambda facts: facts.plan is not None, "no analysis plan is locked"),
    "lock": (lambda facts: facts.lock is not None, "no threshold is locked for this model"),
}
"""What there must be → whether it is, and what is said where it isn't."""


def map_sheet(facts: Facts, map_: Map) -> Sheet:
    head = ("item", "requirement", "status", "evidence", "answered", "note", "guidance_version")
    return head, [
        (
            each.item,
            each.requirement,
            each.status,
            each.evidence,
            each.answered,
            f"{NOTES[each.status]} {map_.note}",
            map_.guidance_version,
        )
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
