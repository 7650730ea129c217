"""The model card: nothing in it that another document does not have."""

from dataclasses import asdict

from arc_core.dossier.document import WORDING, Cell, Document, Section, Table, fields, text
from arc_core.dossier.documents.asked import asked
from arc_core.dossier.documents.gap_report import NOT_DEMONSTRABLE, gaps_in_words, gaps_of
from arc_core.dossier.documents.measured import Measured
from arc_core.dossier.documents.model_description import OUTPUTS
from arc_core.dossier.documents.validation import BY_ONE, OUT_OF_FOLD, TESTED, by_all, of_test, out_of_fold
from arc_core.dossier.edition import edition_of
from arc_core.dossier.facts import Facts
from arc_core.dossier.guidance import AI_DRAFT
from arc_core.dossier.intended_use import NOT_PROVIDED, questions
from arc_core.evaluation.few import in_group
from arc_core.evaluation.subgroups import Subgroup
from arc_core.experiments.metric import Estimate
from arc_core.provenance.canonical import Json
from arc_core.report.summary import cohort_in_words, spec_in_words, split_in_words


def model_card(facts: Facts) -> Document:
    return Document(
        name="model_card",
        title="Model card",
        follows=f"{AI_DRAFT}, Appendix E",
        sections=(
            Section(title="Model", blocks=(fields(_model(facts)),)),
            Section(title="Intended use", blocks=(asked(facts, "device"),)),
            Section(title="Performance", blocks=(_performance(facts), text(_openings(facts), kind="note"))),
            *(
                Section(title=f"Subgroups, {part.lower()}", blocks=tuple(own.subgroups()))
                for part, own in _parts(facts).items()
            ),
            Section(title="Data and reference standard", blocks=(fields(_data(facts)),)),
            Section(title="Limitations", blocks=tuple(text(f"• {each}") for each in _limitations(facts))),
            Section(
                title="What is missing",
                blocks=(
                    text(
                        f"{gaps_in_words(len(gaps_of(facts)))}, told in gap_report. No external testing, no "
                        "test of users with the model and no evidence of clinical validity is part of ARC's "
                        "record."
                    ),
                ),
            ),
        ),
    )


def card_json(facts: Facts) -> dict[str, Json]:
    """The same for machines. Each figure carries the hash of its evaluation in full."""
    parts = _parts(facts)
    return {
        "wording": WORDING,
        "simulated": facts.study.simulated,
        "edition": edition_of(facts).model_dump(mode="json"),
        "guidance_version": f"{AI_DRAFT}, Appendix E",
        "model": {name: str(value) for name, value in _model(facts)},
        "spec": facts.experiment.outcome.spec.model_dump(mode="json"),
        "intended_use": {
            question.path: {
                "answer": facts.use.answer(question.path),
                "guidance_version": question.guidance_version,
            }
            for question in questions()
        },
        "performance": {
            part.lower(): _dumped(parts[part]) if part in parts else NOT_PROVIDED
            for part in (TESTED, OUT_OF_FOLD)
        },
        "subgroups": [
            group.model_dump(mode="json", exclude={"metrics"})
            | {"metrics": _in_group(group)}
            | {"part": part.lower(), "evaluation": facts.evaluations.of(own.subject)}
            for part, own in parts.items()
            for group in own.found.subgroups
        ],
        "testset_openings": [
            {
                "number": each.number,
                "at": each.told.at.isoformat(),
                "by": each.told.who,
                "experiment": each.experiment_id,
                "reason": each.told.reason,
            }
            for each in facts.openings
        ],
        "experiments_tried": len(facts.tried),
        "chosen_among": facts.chosen_among,
        "comparisons": facts.comparisons,
        "data": {name: str(value) for name, value in _data(facts)},
        "limitations": list(_limitations(facts)),
        "gaps": [gap.model_dump(mode="json") for gap in gaps_of(facts)],
    }


def _parts(facts: Facts) -> dict[str, Measured]:
    """What the model was measured on, the least optimistic first."""
    tested = of_test(facts)
    return ({TESTED: tested} if tested else {}) | {OUT_OF_FOLD: out_of_fold(facts)}


def _dumped(own: Measured) -> Json:
    return {name: figure.model_dump(mode="json") for name, figure in own.main().items()}


def _in_group(group: Subgroup) -> Json:
    """Its figures, those of too few patients without an interval."""
    told = {metric: in_group(group, metric) for metric in group.metrics}
    return {
        metric: asdict(value) if isinstance(value, Estimate) else {"value": value}
        for metric, value in told.items()
    }


def _model(facts: Facts) -> tuple[tuple[str, Cell], ...]:
    spec = facts.experiment.outcome.spec
    return (
        ("name", facts.use.answer("device.name")),
        (
            "model",
            f"{facts.experiment.id}, {'champion' if facts.is_champion else 'an experiment'} of "
            f"{facts.study.id}",
        ),
        ("task", f"{spec.task} of colour fundus photographs"),
        ("what it is", spec_in_words(spec)),
        ("output", OUTPUTS[spec.task]),
        ("developed by", f"ARC, unsupervised; for {facts.started.actor.acts_for or NOT_PROVIDED}"),
        ("manufacturer", facts.use.answer("organisation.manufacturer")),
        ("status", "research software, not a medical device; no clearance, approval or registration"),
    )


def _performance(facts: Facts) -> Table:
    own, tested = out_of_fold(facts).main(), of_test(facts)
    first = tested.main() if tested else {}
    names = dict.fromkeys([*own, *first])
    of = f"{facts.found.images} images"
    return Table(
        head=(
            "measure",
            f"{TESTED}" + (f", {tested.found.images} images" if tested else ""),
            f"{OUT_OF_FOLD}, {of}",
        ),
        rows=tuple((name, first.get(name) if tested else "not done", own.get(name)) for name in names),
        widths=(0.42, 0.29, 0.29),
        numbers=(1, 2),
        caption=f"{TESTED}: {by_all(facts)}. {OUT_OF_FOLD}: {BY_ONE}; the model was chosen on these cases: "
        "expect less on new patients.",
    )


def _openings(facts: Facts) -> str:
    if facts.split.sealed is None:
        return "Openings of the test part: none was set apart."
    own = sum(each.experiment_id == facts.experiment.id for each in facts.openings)
    return (
        f"Openings of the test part: {len(facts.openings)} in this study, {own} of them for this model. "
        "testset_access_log.csv lists each."
    )


def _data(facts: Facts) -> tuple[tuple[str, Cell], ...]:
    labels = [case.label for case in facts.dataset.cases]
    return (
        ("data", f"{facts.dataset.name}, {cohort_in_words(facts.dataset)}"),
        ("with glaucoma", f"{labels.count(1)}, without {labels.count(0)}, not labelled {labels.count(None)}"),
        ("split", split_in_words(facts.split, facts.dataset)),
        ("reference standard", facts.use.answer("reference_standard.definition")),
        ("graders", facts.use.answer("reference_standard.graders")),
        ("patients", facts.use.answer("data.demographics")),
    )


def _limitations(facts: Facts) -> tuple[str, ...]:
    sites = {case.site for case in facts.dataset.cases}
    small = [group.name for group in facts.found.subgroups if group.small]
    said = [
        f"It was chosen by an automated search among {facts.chosen_among}: its out-of-fold figures are "
        "optimistic.",
        "It was trained and measured on one dataset; nothing is known of other cameras, sites or "
        "populations.",
        "It says nothing of whether a photograph is good enough, or a fundus photograph at all.",
        "A segmentation may find no disc or no cup: how often is in the validation report."
        if facts.study.task == "segmentation"
        else "A classification gives no reason that a reader could check, but for its relevance map.",
    ]
    if facts.study.simulated:
        said.insert(
            0, "SIMULATED: it was trained on images that ARC drew; its output means nothing for patients."
        )
    if not facts.dataset.has_patient_ids:
        said.append(f"Without patient ids: {NOT_DEMONSTRABLE}.")
    if len(sites) == 1:
        said.append("Performance by site is not known.")
    if small:
        said.append(f"Groups too small to tell: {', '.join(small)}.")
    if len(facts.openings) > 1:
        said.append(f"The test part was opened {len(facts.openings)} times, so it is no longer unseen.")
    said.append(f"Limits of the data, by a person: {facts.use.answer('data.limits')}.")
    return tuple(said)
