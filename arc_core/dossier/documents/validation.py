"""What was measured, on which cases, and what it does not show."""

from collections.abc import Iterator

from arc_core.dossier.document import Block, Document, Section, Table, fields, text
from arc_core.dossier.documents.asked import asked
from arc_core.dossier.documents.measured import Measured
from arc_core.dossier.documents.split import Sheet
from arc_core.dossier.facts import Facts, opening_subject
from arc_core.dossier.guidance import AI_DRAFT
from arc_core.dossier.history import Told
from arc_core.dossier.plots import forest, plots_of
from arc_core.evaluation.evaluation import VERSION, Evaluation
from arc_core.evaluation.few import TOLD
from arc_core.evaluation.published import beside
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.result import Case
from arc_core.provenance.canonical import Json
from arc_core.report.evaluation import printed_of, setting_of

OUT_OF_FOLD = "Out-of-fold"
TESTED = "Internal testing"
NO_DISC = (
    "One in which no disc is found gets the worst error of the vCDR there can be and, out-of-fold, the "
    "prevalence of the other folds as its probability."
)
BY_ONE = "each image by the one network that was not trained on its fold"
FOREST = {"segmentation": ("disc_dice", "cup_dice"), "classification": ("auc",)}


def validation_report(facts: Facts) -> Document:
    return Document(
        name="validation_report",
        title="Validation report",
        follows=f"{AI_DRAFT}, validation; CLAIM's terms: reference standard, internal and external testing",
        sections=tuple(_sections(facts)),
    )


def of_test(facts: Facts) -> Measured | None:
    """What the first opening of the test part measured of this experiment."""
    opened = facts.opened
    if opened is None or opened.found is None:
        return None
    return Measured(facts, opened.found, opening_subject(facts.study.id, opened.number), opened.metrics)


def out_of_fold(facts: Facts) -> Measured:
    return Measured(facts, facts.found, facts.experiment.id, facts.result.metrics)


def by_all(facts: Facts) -> str:
    """How the model answers on images that none of its networks has seen."""
    return f"each image by the mean of the {facts.split.folds} folds' networks, the model as it is used"


def sap_lock(facts: Facts) -> dict[str, Json]:
    """`sap.lock.json`: the plan and the threshold as the ledger has them. None: not locked."""
    plan, lock = facts.plan, facts.lock
    return {
        "plan": None if plan is None else plan.model_dump(mode="json"),
        "threshold": None if lock is None else lock.model_dump(mode="json"),
        "order": [
            {"event": told.kind, "number": told.number, "at": told.at.isoformat(), "sha256": told.hash}
            for told in facts.history.events
            if told.kind in ("split.frozen", "sap.locked", "threshold.locked", "testset.opened")
            and told.subject in (facts.study.id, facts.experiment.id)
        ],
    }


def deviations(facts: Facts) -> Sheet:
    """Where something was carried out otherwise than asked or planned, in the ledger's own words."""
    told = _deviations(facts, {facts.study.id, *(each.id for each in facts.tried)})
    return ("event", "at", "about", "by", "deviation", "event_sha256"), [
        (each.number, each.at.isoformat(), each.subject, each.who, each.reason, each.hash) for each in told
    ]


def _deviations(facts: Facts, about: set[str]) -> list[Told]:
    return [each for each in facts.history.of("deviation.recorded") if each.subject in about]


def _sections(facts: Facts) -> Iterator[Section]:
    own, tested = out_of_fold(facts), of_test(facts)
    yield Section(title="What was measured on what", blocks=_parts(facts))
    yield Section(title="Analysis plan and threshold", blocks=_plan(facts))
    if tested is not None and facts.opened is not None:
        yield Section(title=TESTED, blocks=(text(_tested(facts)),))
        yield from _part(facts, tested, facts.opened.cases, "test", TESTED)
    else:
        why = (
            "no test part was set apart"
            if facts.split.sealed is None
            else "no opening of the test part gave figures of it"
        )
        yield Section(title=TESTED, blocks=(text(f"Not done for this model: {why}."),))
    yield Section(title=OUT_OF_FOLD, blocks=(text(_optimistic(facts), kind="note"),))
    yield from _part(facts, own, facts.cases, "out_of_fold", OUT_OF_FOLD)
    if facts.worst:
        yield Section(
            title="Worst cases",
            blocks=(
                text(
                    "Out-of-fold cases with the lowest mean Dice. Dashed: reference standard; solid: "
                    "prediction; green: disc, orange: cup."
                ),
                *facts.worst,
            ),
        )
    masks = facts.found.segmentation
    if masks is not None and masks.disc.iou_mean is not None:  # without outlines it could not be made
        yield Section(
            title="Self-check",
            blocks=(
                text(
                    "The mean Dice of disc and of cup is at most 2·m / (1 + m), m being the mean IoU of the "
                    "same images, as it must be; otherwise there would be no figures, and no dossier."
                ),
            ),
        )
    yield Section(title="Beside published figures", blocks=_published(facts))
    yield Section(title="External testing and acceptance", blocks=(asked(facts, "validation"),))


def _part(facts: Facts, own: Measured, cases: tuple[Case, ...], part: str, title: str) -> Iterator[Section]:
    evaluation = facts.evaluations.of(own.subject)
    assert evaluation is not None, "a figure of it would have failed the export"
    yield from own.sections(title)
    if plots := plots_of(own.found, cases, evaluation, part):
        yield Section(title=f"{title}: figures", level=2, blocks=plots)
    forests: list[Block] = []
    if own.found.subgroups:
        for metric in FOREST[facts.study.task]:
            if (overall := _overall(own.found, metric)) is not None:
                forests.append(forest(overall, own.found.subgroups, metric, evaluation, part))
    yield Section(title=f"{title}: subgroups", level=2, blocks=(*own.subgroups(), *forests))


def _overall(found: Evaluation, metric: str) -> Estimate | None:
    return printed_of(found).get(metric)


def _parts(facts: Facts) -> tuple[Block, ...]:
    sealed = facts.split.sealed
    patients = str(facts.found.patients) if facts.dataset.has_patient_ids else "not known"
    rows = [
        (
            "out-of-fold",
            f"{facts.found.images}",
            patients,
            f"{BY_ONE}; the model was chosen on these cases",
        ),
        (
            "internal testing",
            str(sealed.images) if sealed else "–",
            str(sealed.patients)
            if sealed and facts.dataset.has_patient_ids
            else "not known"
            if sealed
            else "–",
            _how_tested(facts),
        ),
        ("external testing", "–", "–", facts.use.answer("validation.external_testing")),
    ]
    head = ("part", "images", "patients", "how")
    return (
        Table(head=head, rows=tuple(rows), widths=(0.2, 0.12, 0.14, 0.54), numbers=(1, 2)),
        text(
            "Intervals are 95 %, percentiles of a bootstrap by patient, where nothing else is said. Version "
            f"{VERSION} of ARC's evaluation. Nothing was recalibrated or changed after it was measured. No "
            "answer is indeterminate: every image counts.",
            *([NO_DISC] if facts.study.task == "segmentation" else []),
            TOLD,
        ),
    )


def _how_tested(facts: Facts) -> str:
    if facts.split.sealed is None:
        return "no test part was set apart"
    if not facts.openings:
        return "set apart, and not opened in this study"
    return f"{by_all(facts)}; the part was opened {times(len(facts.openings))} in this study"


def times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def _plan(facts: Facts) -> tuple[Block, ...]:
    if facts.plan is None:
        return (text("No analysis plan is locked. Nothing here was specified beforehand."),)
    plan, lock = facts.plan, facts.lock
    rows = [
        (name, ", ".join(value) if isinstance(value, list) else str(value))
        for name, value in plan.facts.items()
    ]
    rows.append(("locked", f"{plan.at:%Y-%m-%d %H:%M:%S} UTC by {plan.who}, event {plan.number}"))
    rows += [(f"document {name}", sha256) for name, sha256 in plan.outputs.items() if name != "plan"]
    found: list[Block] = [fields(tuple(rows))]
    for each in _deviations(facts, {facts.study.id, facts.experiment.id}):
        found.append(text(f"Deviation, event {each.number} by {each.who}: {each.reason}."))
    if lock is None:
        return (*found, text("No threshold is locked for this model."))
    value = lock.facts["threshold"]
    shown = out_of_fold(facts).figure("locked threshold", value)
    words = (
        f"locked {lock.at:%Y-%m-%d %H:%M:%S} UTC by {lock.who}, event {lock.number}: {lock.facts['rule']}."
    )
    return (*found, text("Threshold", shown or "none, as not every image has a label,", words))


def _tested(facts: Facts) -> str:
    opened, count = facts.opened, len(facts.openings)
    assert opened is not None
    often = "" if count == 1 else f" The part was opened {times(count)} in all, so it is no longer unseen."
    return (
        f"Opening {opened.number} of the test part, {opened.told.at:%Y-%m-%d %H:%M} UTC by "
        f"{opened.told.who}: {opened.told.reason}.{often} No case of it was trained on or tuned "
        f"on in this study. Answered is {by_all(facts)}; the out-of-fold figures are of single networks."
    )


def _optimistic(facts: Facts) -> str:
    unit = "patients" if facts.dataset.has_patient_ids else "images, each counted as a patient"
    return (
        f"No test set: {facts.found.images} images ({facts.found.patients} {unit}) were measured, {BY_ONE}, "
        "but the model was chosen on these cases. Expect less on new patients."
    )


def _published(facts: Facts) -> tuple[Block, ...]:
    own = printed_of(facts.found)
    setting = setting_of(facts.dataset, facts.experiment, folds=facts.split.folds)
    rows = beside(own, setting, simulated=facts.study.simulated)
    if not rows:
        return (text("None shares a metric with this model."),)
    names = ("disc_dice", "cup_dice", "vcdr_mae", "auc")
    ours = out_of_fold(facts)
    table = [
        (
            "this model, out-of-fold",
            facts.dataset.name,
            *(ours.figure(METRICS[name].label, own[name].value if name in own else None) for name in names),
            "",
        ),
        *(
            (
                row.published.work + (" (second-hand)" if row.published.source == "second-hand" else ""),
                row.published.setting.data,
                *(
                    f"{row.published.figures[name]:.3f}" if name in row.published.figures else None
                    for name in names
                ),
                "comparable" if row.comparable else "not comparable: " + ", ".join(row.why_not),
            )
            for row in rows
        ),
    ]
    return (
        Table(
            head=("work", "data", *(METRICS[name].label for name in names), "beside this model"),
            rows=tuple(table),
            widths=(0.19, 0.13, 0.1, 0.1, 0.1, 0.1, 0.28),
            numbers=(2, 3, 4, 5),
            caption="Published figures are the papers' own; they have no evaluation in this ledger.",
        ),
    )
