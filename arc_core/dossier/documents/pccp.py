"""A draft of a predetermined change control plan, from the changes that the study made. Always a draft."""

from arc_core.dossier.document import Block, Cell, Document, Section, Table, fields, text
from arc_core.dossier.documents.asked import asked
from arc_core.dossier.documents.gate import limits_in_words, seeds_in_words
from arc_core.dossier.facts import Facts
from arc_core.dossier.figure import Figure
from arc_core.dossier.guidance import PCCP
from arc_core.dossier.intended_use import NOT_PROVIDED
from arc_core.dossier.tried import Tried
from arc_core.evaluation.threshold import RULE
from arc_core.experiments.metric import METRICS, OF_TASK
from arc_core.experiments.spec import Value
from arc_core.report.champions import differences

DRAFT = "DRAFT"
FOLDER = "pccp_draft"
NOTE = (
    "A draft from ARC's record: which settings were changed in development and what came of it. Which "
    "changes a device may make later, and within which bounds, is for its manufacturer to say."
)


def _draft(name: str, title: str, *sections: Section) -> Document:
    note = Section(title="What this is", blocks=(text(NOTE, kind="note"),))
    return Document(
        name=f"{FOLDER}/{name}", title=title, follows=PCCP, mark=DRAFT, sections=(note, *sections)
    )


def description_of_modifications(facts: Facts) -> Document:
    return _draft(
        "description_of_modifications",
        "PCCP: Description of Modifications",
        Section(title="Versions of the model", blocks=(_versions(facts),)),
        Section(title="Kinds of change that were tried", blocks=(_kinds(facts),)),
        Section(
            title="Planned modifications",
            blocks=(asked(facts, "lifecycle", only=("lifecycle.planned_modifications",)),),
        ),
    )


def modification_protocol(facts: Facts) -> Document:
    sealed = facts.split.sealed
    rows: tuple[tuple[str, Cell], ...] = (
        (
            "data management",
            f"frozen folds by {facts.unit}, near-duplicates refused across them; "
            + ("a sealed test part" if sealed else "no test part"),
        ),
        (
            "re-training",
            "the whole configuration is trained anew, on every fold, from a recorded seed; nothing is "
            "trained further",
        ),
        (
            "performance evaluation",
            "out-of-fold, paired with the version before on the same cases, resampled by patient; none is "
            f"accepted before both sides have further training seeds. {seeds_in_words(facts)}",
        ),
        (
            "acceptance criterion",
            f"the whole interval of the gain in {facts.label} above 0, whose lower end allows for all "
            f"comparisons made so far. {limits_in_words(facts)}",
        ),
        ("threshold", f"chosen anew and locked for each version: {RULE}"),
        ("test part", "opened in one order only (split, plan, threshold), each opening counted"),
        ("record", "each step an event of the ledger, in the same transaction as what it describes"),
    )
    return _draft(
        "modification_protocol",
        "PCCP: Modification Protocol",
        Section(title="As ARC does it", blocks=(fields(rows),)),
        Section(
            title="As it is to be done",
            blocks=(
                asked(
                    facts,
                    "lifecycle",
                    only=(
                        "lifecycle.retraining",
                        "lifecycle.update_procedure",
                        "lifecycle.labelling",
                        "lifecycle.monitoring",
                    ),
                ),
                asked(facts, "validation", only=("validation.acceptance",)),
            ),
        ),
    )


def impact_assessment(facts: Facts) -> Document:
    return _draft(
        "impact_assessment",
        "PCCP: Impact Assessment",
        Section(title="Each change against the original and the last version", blocks=_impact(facts)),
        Section(
            title="Benefits and risks",
            blocks=(
                text("hazard_candidates.csv lists what was seen to go wrong with this version, unrated."),
                asked(facts, "lifecycle", only=("lifecycle.risk_management", "lifecycle.cybersecurity")),
            ),
        ),
    )


def _versions(facts: Facts) -> Table:
    rows, original, before = [], None, None
    for place, each in enumerate(facts.accepted, 1):
        spec = each.experiment.spec
        original = original or spec
        rows.append(
            (
                f"version {place}",
                f"#{each.number} {each.id}",
                "the original" if before is None else differences(before, spec),
                "–" if before is None else differences(original, spec) or "nothing",
            )
        )
        before = spec
    return Table(
        head=("version", "experiment", "changed against the last version", "changed against the original"),
        rows=tuple(rows),
        widths=(0.13, 0.19, 0.34, 0.34),
    )


def _kinds(facts: Facts) -> Table:
    """Each setting that was changed: how often, how often with success, and to which values."""
    changed: dict[str, list[tuple[Tried, Value]]] = {}
    for each in facts.tried:
        for path, value in each.caption.changes.items():
            changed.setdefault(path, []).append((each, value))
    rows = tuple(
        (
            path,
            str(len(tries)),
            str(sum(each.accepted for each, _ in tries)),
            _range([value for _, value in tries]),
        )
        for path, tries in sorted(changed.items())
    )
    return Table(
        head=("setting", "experiments that changed it", "of them accepted", "values that were tried"),
        rows=rows or (("none", "", "", ""),),
        widths=(0.34, 0.2, 0.16, 0.3),
        numbers=(1, 2),
    )


def _range(values: list[Value]) -> str:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        return (
            f"{min(numbers):g}" if min(numbers) == max(numbers) else f"{min(numbers):g} to {max(numbers):g}"
        )
    return ", ".join(sorted({str(value) for value in values}))


def _impact(facts: Facts) -> tuple[Block, ...]:
    if not facts.accepted:
        return (text("No version was accepted yet."),)
    original, *_ = facts.accepted
    reigning = facts.accepted[-1]
    before = _before(facts)
    shown = [("original", original)]
    if before is not None and before.id != original.id:
        shown.append(("last version", before))
    own = next(each for each in facts.tried if each.id == facts.experiment.id)
    if own.id not in {each.id for _, each in shown}:
        shown.append(("this version", own))
    rows = tuple(
        (METRICS[metric].label, *(each.metrics.get(metric) for _, each in shown))
        for metric in OF_TASK[facts.study.task]
        if any(metric in each.metrics for _, each in shown)
    )
    table = Table(
        head=("out-of-fold measure", *(f"{words}: #{each.number}" for words, each in shown)),
        rows=rows,
        widths=(0.34, *[0.66 / len(shown)] * len(shown)),
        numbers=tuple(range(1, len(shown) + 1)),
    )
    return (
        table,
        *_gains(facts, own, original, before),
        text(
            f"This version is {own.id}; the one that reigns is {reigning.id}. Clinical meaning of a gain: "
            f"{NOT_PROVIDED}."
        ),
    )


def _before(facts: Facts) -> Tried | None:
    """The version that this one was compared with."""
    ids = [each.id for each in facts.accepted]
    if facts.experiment.id in ids:
        place = ids.index(facts.experiment.id)
        return facts.accepted[place - 1] if place else None
    return facts.accepted[-1]


def _gains(facts: Facts, own: Tried, original: Tried, before: Tried | None) -> list[Block]:
    rows: list[tuple[str, Figure | None, str]] = []
    for words, other in (("the original", original), ("the last version", before)):
        if other is not None and other.id != own.id:
            gain = facts.gains.get(other.id)
            how = "first training of each, paired, 95 %" if gain else "its cases are not there"
            rows.append((f"over {words}, #{other.number} {other.id}", gain, how))
    if not rows:
        return [text("This is the original: there is nothing to compare it with.")]
    head = (f"gain in {facts.label}", "value", "how")
    return [Table(head=head, rows=tuple(rows), widths=(0.45, 0.3, 0.25), numbers=(1,))]
