"""Every experiment with each of its trainings, as tables and as sheets."""

from arc_core.dossier.document import Block, Table, text
from arc_core.dossier.documents.gate import GAIN, level_of, seeds_of
from arc_core.dossier.documents.split import Sheet
from arc_core.dossier.facts import Facts
from arc_core.dossier.tried import Tried
from arc_core.experiments.metric import OF_TASK
from arc_core.experiments.result import Verdict
from arc_core.report.summary import changes_in_words

ENDS = {
    "finished": "measured",
    "failed": "failed",
    "stopped": "stopped, may be taken up again",
    "withdrawn": "abandoned before it was trained",
    "pruned": "stopped early, worse than the champion",
    "running": "not ended",
    "approved": "not started",
}


def experiments_sheet(facts: Facts) -> Sheet:
    """Every experiment with every metric, each row with the evaluation that it comes from."""
    metrics = OF_TASK[facts.study.task]
    ends = [f"{metric}{end}" for metric in metrics for end in ("", "_low", "_high")]
    head = (
        "number",
        "experiment",
        "cycle",
        "status",
        "arm",
        "changes",
        "hypothesis",
        "spec",
        "trained_on",
        "seconds",
        *ends,
        "verdict",
        "reason",
        "gain",
        "gain_low",
        "gain_high",
        "level",
        "p_value",
        "allowance",
        "trainings",
        "champion_trainings",
        "compared_with",
        "comparisons",
        "evaluation_sha256",
    )
    return head, [_row(facts, tried, metrics) for tried in facts.tried]


def _row(facts: Facts, tried: Tried, metrics: tuple[str, ...]) -> tuple[object, ...]:
    outcome, verdict, gain = tried.experiment, tried.verdict, tried.gain
    result = outcome.result
    values: list[object] = []
    for metric in metrics:
        found = tried.metrics.get(metric)
        values += [found.value, found.low, found.high] if found else ["", "", ""]
    return (
        tried.number,
        tried.id,
        outcome.cycle,
        ENDS[outcome.status],
        tried.caption.arm,
        changes_in_words(tried.caption),
        tried.caption.hypothesis,
        outcome.spec_id,
        result.trained_on if result else "",
        result.total_s if result else "",
        *values,
        verdict.outcome if verdict else "",
        verdict.reason if verdict else outcome.reason,
        *((gain.value, gain.low, gain.high) if gain else ("", "", "")),
        *(_errors(verdict) if verdict else ("",) * 5),
        (verdict.champion_id or "") if verdict else "",
        verdict.comparisons if verdict else "",
        facts.evaluations.of(tried.id) or "",
    )


def _errors(verdict: Verdict) -> tuple[object, ...]:
    """What the gate's interval may miss, and how often each side was trained; empty where it is not known."""
    known = (verdict.level, verdict.p_value, verdict.allowance)
    sides = (len(verdict.trainings), len(verdict.champion_trainings))
    return (*("" if each is None else each for each in known), *(each or "" for each in sides))


def trainings_sheet(facts: Facts) -> Sheet:
    """Every training of every experiment, the further seeds too: what each gain is the difference of."""
    metrics = OF_TASK[facts.study.task]
    head = ("number", "experiment", "training", "seed", "status", *metrics, "evaluation_sha256")
    return head, [
        (
            tried.number,
            tried.id,
            each.id,
            each.seed,
            ENDS[each.status],
            *(each.metrics[metric].value if metric in each.metrics else "" for metric in metrics),
            facts.evaluations.of(each.id) or "",
        )
        for tried in facts.tried
        for each in tried.trainings
    ]


def every_experiment(facts: Facts) -> Table:
    return Table(
        head=(
            "experiment",
            "cycle",
            "changes to its parent",
            facts.label,
            "seeds",
            "gain over the champion",
            "level",
            "verdict",
        ),
        rows=tuple(
            (
                f"#{each.number} {each.id}",
                str(each.experiment.cycle),
                changes_in_words(each.caption),
                each.metrics.get(facts.study.metric),
                seeds_of(each),
                each.gain,
                level_of(each),
                each.verdict.outcome if each.verdict else ENDS[each.experiment.status],
            )
            for each in facts.tried
        ),
        widths=(0.15, 0.07, 0.17, 0.17, 0.07, 0.17, 0.08, 0.12),
        numbers=(1, 3, 4, 5, 6),
        caption=f"{facts.label}: of the first training. Seeds: trainings of the experiment, and of the "
        f"champion that it was compared with. {GAIN} experiments.csv has every metric, hypothesis and "
        "reason, with the hashes in full.",
    )


def further_seeds(facts: Facts) -> tuple[Block, ...]:
    """The trainings that a gain is the mean over."""
    rows = tuple(
        (
            f"#{tried.number} {tried.id}",
            "its first" if each.id == tried.id else each.id,
            str(each.seed),
            ENDS[each.status],
            each.metrics.get(facts.study.metric),
        )
        for tried in facts.tried
        for each in tried.trainings
        if len(tried.trainings) > 1
    )
    if not rows:
        return (text("None: every experiment was trained with one seed."),)
    return (
        Table(
            head=("experiment", "training", "seed", "what became of it", facts.label),
            rows=rows,
            widths=(0.2, 0.2, 0.16, 0.2, 0.24),
            numbers=(2, 4),
            caption="A gain is the difference between the means over the trainings of an experiment and of "
            "the champion that it was compared with. Those that failed are in no mean. trainings.csv has all "
            "digits and metrics.",
        ),
    )
