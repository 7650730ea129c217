"""The data: what ARC saw of them, and what only a person knows."""

from collections import Counter

from arc_core.data.manifest import ImageCase
from arc_core.dossier.document import Block, Cell, Document, Section, Table, fields, text
from arc_core.dossier.documents.asked import asked
from arc_core.dossier.facts import Facts
from arc_core.dossier.guidance import AI_DRAFT
from arc_core.dossier.intended_use import NOT_PROVIDED

UNKNOWN = f"{NOT_PROVIDED} (no column in labels.csv)"


def datasheet(facts: Facts) -> Document:
    return Document(
        name="datasheet",
        title="Datasheet",
        follows=AI_DRAFT,
        sections=(
            Section(title="The images", blocks=(_identity(facts),)),
            Section(title="Sites and cameras", blocks=tuple(_places(facts))),
            Section(title="What a person knows of them", blocks=(asked(facts, "data"),)),
            Section(title="What ARC checked", blocks=_checks(facts)),
        ),
    )


def reference_standard(facts: Facts) -> Document:
    cases = facts.dataset.cases
    return Document(
        name="reference_standard",
        title="Reference standard",
        follows=AI_DRAFT,
        sections=(
            Section(
                title="As ARC reads it",
                blocks=(
                    fields(
                        (
                            ("label", "1 glaucoma, 0 normal, from labels.csv"),
                            ("images with a label", _counted(cases, "label")),
                            (
                                "mask",
                                "0 background, 1 neuroretinal rim, 2 cup; the disc is rim and cup together",
                            ),
                            ("images with a mask", _counted(cases, "mask")),
                            (
                                "vertical cup-to-disc ratio",
                                "measured from the mask, in the frame of the photograph",
                            ),
                        )
                    ),
                    text(
                        "ARC takes labels and masks as they are. It knows neither who made them nor how; "
                        "what follows is a person's to say."
                    ),
                ),
            ),
            Section(title="Graders, blinding, adjudication", blocks=(asked(facts, "reference_standard"),)),
        ),
    )


def _identity(facts: Facts) -> Table:
    dataset, cases = facts.dataset, facts.dataset.cases
    registered = facts.history.of("dataset.registered", facts.study.id)
    labels = Counter(case.label for case in cases)
    rows: list[tuple[str, Cell]] = [
        ("name", dataset.name),
        ("SHA-256 of images, masks and labels", dataset.sha256),
        (
            "registered",
            f"{registered[0].at:%Y-%m-%d %H:%M} UTC, event {registered[0].number}" if registered else "–",
        ),
        ("task", facts.study.task),
        ("images for development", str(len(cases))),
        ("patients", _patients(facts)),
        ("with glaucoma, without, not labelled", f"{labels[1]}, {labels[0]}, {labels[None]}"),
        ("size of the images", _sizes(cases)),
        (
            "images set apart as test part",
            "none" if facts.split.sealed is None else str(facts.split.sealed.images),
        ),
        ("origin", "drawn by ARC: SIMULATED" if facts.study.simulated else "a folder that a person gave"),
    ]
    return fields(tuple(rows), width=0.36)


def _patients(facts: Facts) -> str:
    if not facts.dataset.has_patient_ids:
        return f"{NOT_PROVIDED}: without patient ids each image counts as one"
    return str(len({case.patient_id for case in facts.dataset.cases}))


def _sizes(cases: tuple[ImageCase, ...]) -> str:
    sizes = Counter((case.width_px, case.height_px) for case in cases)
    shown = [f"{wide} × {high} px ({count})" for (wide, high), count in sizes.most_common(5)]
    return ", ".join(shown) + (f" and {len(sizes) - 5} more sizes" if len(sizes) > 5 else "")


def _places(facts: Facts) -> list[Block]:
    found: list[Block] = []
    for column, field in (("site", "site"), ("camera", "camera"), ("sex", "sex"), ("age", "age_group")):
        names = Counter(getattr(case, field) for case in facts.dataset.cases)
        if set(names) == {None}:
            found.append(text(f"{column}: {UNKNOWN}"))
            continue
        rows = []
        for name, images in sorted(names.items(), key=lambda item: (item[0] is None, item[0])):
            own = [case for case in facts.dataset.cases if getattr(case, field) == name]
            ill = sum(case.label == 1 for case in own)
            rows.append(
                (name or NOT_PROVIDED, str(images), str(len({case.patient_id for case in own})), str(ill))
            )
        found.append(
            Table(
                head=(column, "images", "patients", "with glaucoma"),
                rows=tuple(rows),
                widths=(0.4, 0.2, 0.2, 0.2),
                numbers=(1, 2, 3),
            )
        )
    return found


def _counted(cases: tuple[ImageCase, ...], name: str) -> str:
    return f"{sum(getattr(case, name) is not None for case in cases)} of {len(cases)}"


def _checks(facts: Facts) -> tuple[Block, ...]:
    return (
        text(
            "Before anything was trained, each file was decoded once: no image is truncated or there twice, "
            "masks have the values 0, 1 and 2, the size of their image and a disc, and every label is 0 or "
            "1. What does not pass ends the study's registration; nothing was left out or mended on the way."
        ),
        text(
            "Near-duplicates under two patients are in the leakage report, every image in split_manifest.csv."
        ),
    )
