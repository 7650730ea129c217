"""Candidates for the risk analysis: what was seen to go wrong, unrated. Rating them is a person's work."""

from collections.abc import Iterator

from arc_core.dossier.document import Document, Section, Table, text
from arc_core.dossier.documents.measured import Measured
from arc_core.dossier.documents.split import Sheet
from arc_core.dossier.documents.validation import of_test, out_of_fold
from arc_core.dossier.facts import Facts
from arc_core.dossier.figure import Figure
from arc_core.dossier.guidance import ISO14971
from arc_core.dossier.intended_use import NOT_PROVIDED
from arc_core.evaluation.subgroups import Subgroup
from arc_core.experiments.metric import METRICS
from arc_core.record import Record


class Hazard(Record):
    """`seen`: how often, or how far; None: ARC does not measure it."""

    hazard: str
    situation: str
    seen: Figure | None
    on: str


def hazards_of(facts: Facts) -> tuple[Hazard, ...]:
    own, tested = out_of_fold(facts), of_test(facts)
    parts = [(own, "out-of-fold"), *([(tested, "internal testing")] if tested else [])]
    return (*(each for measured, part in parts for each in _measured(measured, part)), *_unmeasured(facts))


def hazard_candidates(facts: Facts) -> Document:
    return Document(
        name="hazard_candidates",
        title="Hazard candidates",
        follows=ISO14971,
        landscape=True,
        sections=(
            Section(
                title="Candidates",
                blocks=(
                    text(
                        "What the evaluation shows, as a start for a risk analysis. Severity, probability "
                        f"and controls are {NOT_PROVIDED}: they are for those who manage the risk."
                    ),
                    Table(
                        head=(
                            "hazard",
                            "hazardous situation",
                            "seen",
                            "on",
                            "severity, probability, controls",
                        ),
                        rows=tuple(
                            (
                                each.hazard,
                                each.situation,
                                each.seen or "not measured by ARC",
                                each.on,
                                NOT_PROVIDED,
                            )
                            for each in hazards_of(facts)
                        ),
                        widths=(0.16, 0.34, 0.18, 0.14, 0.18),
                    ),
                ),
            ),
        ),
    )


def hazard_sheet(facts: Facts) -> Sheet:
    head = (
        "hazard",
        "situation",
        "seen",
        "low",
        "high",
        "unit",
        "on",
        "severity",
        "probability",
        "controls",
        "guidance_version",
        "evaluation_sha256",
    )
    return head, [
        (
            each.hazard,
            each.situation,
            *(
                (each.seen.value, _or_empty(each.seen.low), _or_empty(each.seen.high), each.seen.unit)
                if each.seen
                else ("", "", "", "")
            ),
            each.on,
            NOT_PROVIDED,
            NOT_PROVIDED,
            NOT_PROVIDED,
            ISO14971,
            each.seen.evaluation if each.seen else "",
        )
        for each in hazards_of(facts)
    ]


def _or_empty(value: float | None) -> float | str:
    return "" if value is None else value


def _measured(own: Measured, part: str) -> Iterator[Hazard]:
    scores, masks = own.found.classification, own.found.segmentation
    if scores is not None and scores.confusion is not None:
        at = scores.confusion
        for hazard, situation, count in (
            (
                "false negative",
                "an eye with glaucoma is called normal: treatment comes late",
                at.false_negative,
            ),
            ("false positive", "a normal eye is called glaucoma: needless referral", at.false_positive),
        ):
            yield Hazard(
                hazard=hazard, situation=situation, seen=own.figure(hazard, count, "images"), on=part
            )
    if masks is not None:
        for hazard, empty in (("empty disc mask", masks.disc.empty), ("empty cup mask", masks.cup.empty)):
            situation = "nothing is found though the reference has it: no ratio, or one of 0"
            yield Hazard(
                hazard=hazard, situation=situation, seen=own.figure(hazard, empty, "images"), on=part
            )
        situation = "the ratio is off: the degree of cupping is misjudged"
        yield Hazard(
            hazard="wrong vCDR", situation=situation, seen=own.figure("vCDR MAE", masks.vcdr_mae), on=part
        )
    yield from _gaps(own, part)


def _gaps(own: Measured, part: str) -> Iterator[Hazard]:
    """The widest gap in the primary figure within each grouping."""
    metric = "cup_dice" if own.found.segmentation is not None else "auc"
    groupings: dict[str, list[Subgroup]] = {}
    for group in own.found.subgroups:
        if metric in group.metrics:
            groupings.setdefault(group.grouping, []).append(group)
    for grouping, groups in groupings.items():
        if len(groups) < 2:
            continue
        worst, *_, best = sorted(groups, key=lambda group: group.metrics[metric].value)
        gap = best.metrics[metric].value - worst.metrics[metric].value
        yield Hazard(
            hazard=f"subgroup gap by {grouping}",
            situation=f"{METRICS[metric].label} of {worst.name} is below that of {best.name}: it serves "
            "some worse",
            seen=own.figure(f"gap in {METRICS[metric].label} by {grouping}", gap),
            on=part,
        )


def _unmeasured(facts: Facts) -> Iterator[Hazard]:
    for hazard, situation in (
        (
            "out-of-distribution image",
            "another camera, field, disease or no fundus at all: an answer is given all the same",
        ),
        ("poor image quality", "blur, haze or cut-off discs: an answer is given all the same"),
        ("overreliance", "a reader follows the output against better knowledge"),
    ):
        yield Hazard(hazard=hazard, situation=situation, seen=None, on="–")
