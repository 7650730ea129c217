"""What a model is shown of the study: bounded text, however many experiments there are.

Recent experiments stand in full, older ones as statistics. Sections come in the order of their weight, and
what no longer fits is left out by whole lines, which the model is told.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from arc_core.agents.effects import Evidence, differing
from arc_core.agents.forbidden import failure_in_words
from arc_core.experiments.board import Directive, History, Outcome, Proposal, Review
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.space import Choice, SearchSpace
from arc_core.experiments.spec import ExperimentSpec, Value
from arc_core.llm.counsel import tokens_of

RESERVED = 12  # tokens for a section's title and the note of what was left out
LONGEST_TEXT = 400  # characters of any text another mind wrote

Section = tuple[str, Sequence[str]]


def fitted(sections: Iterable[Section], tokens: int) -> str:
    """The sections as text of at most `tokens` tokens, by the upper estimate of `tokens_of`."""
    parts, left = [], tokens
    for title, lines in sections:
        left -= tokens_of(title) + RESERVED
        kept: list[str] = []
        for line in lines:
            cost = tokens_of(line) + 1
            if cost > left:
                break
            kept.append(line)
            left -= cost
        if left < 0:
            break
        if len(kept) < len(lines):
            kept.append(f"({len(lines) - len(kept)} more are left out)")
        if kept:
            parts.append("\n".join([f"## {title}", *kept]))
    return "\n\n".join(parts)


def past(history: History, metric: str, parent: ExperimentSpec) -> tuple[Section, ...]:
    """What every role is shown: best values, the trend, lessons, and the latest experiments, newest first."""
    recent = [_experiment(outcome, parent.flat()) for outcome in reversed(history.recent_experiments)]
    return (
        ("Best values", [f"{name} {_estimate(found)}" for name, found in history.best.items()]),
        ("Trend", _trend(history, metric)),
        ("Pending: approved, results still missing", _pending(history)),
        ("Lessons", [_text(lesson.text) for lesson in history.lessons]),
        ("Alarms", [_text(alarm.text) for alarm in history.alarms]),
        ("Recent experiments, newest first; only how each differs from the parent", recent),
    )


def statistics(outcomes: Sequence[Outcome], metric: str) -> tuple[Section, ...]:
    """All experiments in a few lines: how they ended, and what each axis has done to the metric."""
    evidence = Evidence(outcomes, metric)
    gains = {path: evidence.mean_gain(path) or 0.0 for path in evidence.axes}
    axes = [
        f"{path}: changed in {len(evidence.on(path))} comparisons, mean gain {gains[path]:+.4f}"
        for path in sorted(gains, key=lambda path: (-abs(gains[path]), path))
    ]
    best = sorted(evidence.effects, key=lambda effect: -abs(effect.gain))[:30]
    effects = [
        f"{effect.ids[0]} against {effect.ids[1]}: {_changes(effect.changes)}: {effect.gain:+.4f}"
        + ("" if effect.clear else " (intervals overlap)")
        for effect in best
    ]
    ended = Counter(outcome.status for outcome in outcomes)
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    return (
        ("All experiments", [f"{len(outcomes)}: {', '.join(f'{n} {kind}' for kind, n in ended.items())}"]),
        ("Gains by axis, better is +", axes),
        ("Largest effects, better is +", effects),
        (
            "Latest failures",
            [f"{each.experiment_id}: {failure_in_words(each.reason)}" for each in failed[-10:]],
        ),
    )


def task(metric: str, parent: ExperimentSpec, parent_id: str | None) -> tuple[Section, ...]:
    """The metric, and the spec that changes are made to."""
    direction = "higher" if METRICS[metric].higher_is_better else "lower"
    name = parent_id or "the configured baseline"
    return (
        ("Task", [f"{parent.task}; primary metric {metric}, {direction} is better, in [0, 1]"]),
        (f"Parent spec ({name})", [json.dumps(parent.flat())]),
    )


def axes(space: SearchSpace, parent: ExperimentSpec, barred: Iterable[str] = ()) -> Section:
    """The axes that exist for the parent, and what each may be."""
    lines = []
    for path, axis in space.active(parent).items():
        if path in set(barred):
            continue
        if isinstance(axis, Choice):
            lines.append(f"{path}: one of {json.dumps(list(axis.choices))}")
        else:
            lines.append(f"{path}: from {axis.low:g} to {axis.high:g}{', logarithmic' if axis.log else ''}")
    return "Axes", lines


def directive(given: Directive) -> Section:
    """The director's word for the cycle."""
    return "Directive", [json.dumps(given.model_dump(mode="json", exclude={"mind"}))]


def proposals(made: Iterable[Proposal], parent: ExperimentSpec) -> Section:
    """The proposals to be judged; who made them is not told, so that no name weighs."""
    inherited = parent.flat()
    return "Proposals", [
        json.dumps(
            {
                "proposal_id": each.id,
                "category": each.category,
                "changes": {path: [inherited.get(path), value] for path, value in each.changes.items()},
                "hypothesis": _text(each.hypothesis),
                "justification": _text(each.justification),
                "predicted": [each.predicted.value, each.predicted.low, each.predicted.high],
            }
        )
        for each in made
    ]


def reviews(given: Iterable[Review]) -> Section:
    """What the critics said."""
    return "Reviews", [
        json.dumps(
            each.model_dump(
                mode="json", include={"proposal_id", "reviewer", "decision", "confidence", "risk"}
            )
            | {"reasons": [_text(reason) for reason in each.reasons]}
        )
        for each in given
    ]


def _experiment(outcome: Outcome, parent: Mapping[str, Value]) -> str:
    changed = differing(outcome.spec.flat(), dict(parent))
    steps = (
        ", ".join(f"{path} {value}" for path, (_, value) in sorted(changed.items())) or "equals the parent"
    )
    found = outcome.result.metrics if outcome.result is not None else {}
    measured = ", ".join(f"{name} {_estimate(estimate)}" for name, estimate in found.items())
    ended = measured or (outcome.status if outcome.has_ended else "pending, no result yet")
    if outcome.status == "failed":
        ended = f"failed, {failure_in_words(outcome.reason)}"
    return f"{outcome.experiment_id}, cycle {outcome.cycle}: {ended}; {steps}"


def _changes(changed: Mapping[str, tuple[Value, Value]]) -> str:
    return ", ".join(f"{path} {old} to {new}" for path, (old, new) in sorted(changed.items()))


def _trend(history: History, metric: str) -> list[str]:
    values = ", ".join(f"{value:.4f}" for value in history.best_by_cycle[-20:])
    trends = history.trends
    return [
        f"{history.total_experiments} experiments in {history.total_cycles} cycles",
        f"best {metric} of each of the last cycles: {values or 'none yet'}",
        f"cycles without improvement {trends.cycles_without_improvement}, "
        f"regressions in a row {trends.consecutive_regressions}",
    ]


def _pending(history: History) -> list[str]:
    return [", ".join(history.pending)] if history.pending else []


def _estimate(found: Estimate) -> str:
    return f"{found.value:.4f} [{found.low:.4f}, {found.high:.4f}]"


def _text(text: str) -> str:
    return " ".join(text.split())[:LONGEST_TEXT]
