"""How the model came about: everything that was tried, with every abandoned and failed run."""

from collections import Counter

from arc_core.dossier.document import Block, Document, Picture, Section, Table, fields, text
from arc_core.dossier.documents.experiments import ENDS, every_experiment, further_seeds
from arc_core.dossier.documents.gate import GAIN, level_of, limits_in_words, seeds_in_words
from arc_core.dossier.facts import Facts
from arc_core.dossier.guidance import AI_DRAFT
from arc_core.experiments.result import NoiseFloor
from arc_core.experiments.study import Score
from arc_core.report import figures
from arc_core.report.champions import differences
from arc_core.report.summary import changes_in_words, spec_in_words


def development_report(facts: Facts) -> Document:
    return Document(
        name="development_report",
        title="Development report",
        follows=f"{AI_DRAFT}, development; multiplicity disclosed",
        sections=(
            Section(title="How models were searched for", blocks=_search(facts)),
            Section(title="Champions", blocks=(_champions(facts),)),
            Section(title="Course of the study", blocks=(_course(facts), *_curves(facts))),
            Section(title="Abandoned and failed", blocks=_abandoned(facts)),
            Section(title="Every experiment", blocks=(every_experiment(facts),)),
            Section(title="Further training seeds", blocks=further_seeds(facts)),
        ),
    )


def _search(facts: Facts) -> tuple[Block, ...]:
    kinds, states = facts.history.kinds, Counter(each.experiment.status for each in facts.tried)
    counted = tuple((ENDS[status], str(number)) for status, number in sorted(states.items()))
    return (
        text(
            "ARC's board of agents proposed changes, critics reviewed them, a vote and a supervisor "
            "decided, and the gate compared each result with the champion of its time: on the same "
            "out-of-fold cases, paired and resampled by patient. It became champion where the whole "
            "interval of the gain lay above 0, whose lower end allows for all comparisons of the study, and "
            "no limit was broken. What was clearly worse after its first folds was stopped early, and counts "
            "as a comparison."
        ),
        text(seeds_in_words(facts)),
        text(limits_in_words(facts)),
        fields(
            (
                ("cycles", str(facts.cycles)),
                (
                    "proposals, reviews, decisions in the ledger",
                    ", ".join(
                        str(kinds.get(kind, 0))
                        for kind in ("proposal.made", "review.given", "decision.taken")
                    ),
                ),
                ("experiments that were decided on", str(len(facts.tried))),
                *counted,
                ("compared with a champion", str(facts.comparisons)),
                ("primary metric", facts.label),
                ("noise floor, same configuration with other seeds", _noise_floor(facts)),
            )
        ),
        text(
            f"Multiplicity: the champion was chosen among {facts.chosen_among}, on one set of out-of-fold "
            f"cases, after {facts.comparisons} comparisons, whose promotions are held to one error rate for "
            "the whole study, gate.alpha above. Its out-of-fold figures are those of a choice all the same, "
            "and therefore optimistic.",
            kind="note",
        ),
    )


def _noise_floor(facts: Facts) -> str:
    """As the last verdict that had one tells it, and where that stands."""
    for told in reversed(facts.history.of("verdict.given")):
        floor = told.facts.get("noise_floor")
        if floor is not None and told.subject in {each.id for each in facts.tried}:
            return f"{NoiseFloor.model_validate(floor)}, by the verdict of event {told.number} of the ledger"
    return "not measured: nothing was compared yet"


def _champions(facts: Facts) -> Table:
    rows, before = [], None
    for each in facts.accepted:
        spec = each.experiment.spec
        rows.append(
            (
                f"#{each.number} {each.id}",
                differences(before, spec) if before else spec_in_words(spec),
                each.metrics.get(facts.study.metric),
                each.gain,
                level_of(each),
            )
        )
        before = spec
    return Table(
        head=(
            "experiment",
            "changed against the one before",
            facts.label,
            "gain over the one before",
            "level",
        ),
        rows=tuple(rows),
        widths=(0.17, 0.33, 0.2, 0.2, 0.1),
        numbers=(2, 3, 4),
        caption=GAIN,
    )


def _course(facts: Facts) -> Picture:
    scores = []
    for each in facts.tried:
        found, result = each.metrics.get(facts.study.metric), each.experiment.result
        if found is not None and result is not None:
            estimate = result.metrics[facts.study.metric]
            scores.append(Score(number=each.number, estimate=estimate, accepted=each.accepted))
    evaluation = facts.evaluations.of(facts.experiment.id)
    assert evaluation is not None
    return Picture(
        name="development_course.png",
        content=figures.best_so_far(scores, facts.study.metric),
        caption=f"{facts.label} of every measured experiment with its 95 % interval; each has an "
        "evaluation of its own",
        width=0.9,
        evaluation=evaluation,
    )


def _curves(facts: Facts) -> tuple[Picture, ...]:
    evaluation = facts.evaluations.of(facts.experiment.id)
    assert evaluation is not None
    if not facts.result.curve:
        return ()
    return (
        Picture(
            name="development_curve.png",
            content=figures.learning_curves([(facts.experiment.id, facts.result.curve)]),
            caption="Learning curves of each fold. The held-out loss was watched, and nothing was "
            "chosen by it",
            width=0.5,
            evaluation=evaluation,
        ),
    )


def _abandoned(facts: Facts) -> tuple[Block, ...]:
    lost = [each for each in facts.tried if each.experiment.status != "finished"]
    if not lost:
        return (text("None: every experiment that was decided on was trained and measured."),)
    return (
        Table(
            head=("experiment", "cycle", "changes", "what became of it", "reason"),
            rows=tuple(
                (
                    f"#{each.number} {each.id}",
                    str(each.experiment.cycle),
                    changes_in_words(each.caption),
                    ENDS[each.experiment.status],
                    each.experiment.reason or "not recorded",
                )
                for each in lost
            ),
            widths=(0.18, 0.08, 0.26, 0.16, 0.32),
            numbers=(1,),
        ),
    )
