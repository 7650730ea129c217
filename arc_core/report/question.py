"""What a person reads above the form where the board needs their word: Markdown for Prefect's UI."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from arc_core.agents import wording
from arc_core.experiments.board import OFFLINE, Decision, Directive, Proposal, Review
from arc_core.experiments.metric import METRICS
from arc_core.experiments.spec import ExperimentSpec, Value
from arc_core.record import Record
from arc_core.report.summary import printable

CRITICS = {"critic": "Critic", "critic_secondary": "Second critic"}
KEPT = "Your name is kept with your answer and stands in the report."
STANCES = {"approve": "approves", "revise": "asks to revise", "reject": "rejects"}
ARMS = {
    "board": "",
    "control": "A plain draw, with which the board is compared.",
    "veto_control": "The board rejected it; it runs to learn whether the board was right.",
    "person": "A person's edit.",
}


class Item(Record):
    """One proposal that would train once a person has agreed."""

    proposal: Proposal
    decision: Decision
    parent: ExperimentSpec
    experiment_id: str | None = None
    """Set where it is an experiment already, left from a run that asked nobody."""


def plain(text: str) -> str:
    """Text of a record as Markdown that shows it letter by letter: no markup, no link, no picture."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", printable(text))


def on_directive(most: int, until: datetime, faults: Sequence[str]) -> str:
    """What stands first in the form for the directive of a cycle that has `most` places."""
    lines = [
        *_faults(faults),
        f"Approve the directive, change it or reject it. The cycle has {_counted(most, 'place')} to give.",
        f"Rejected, the cycle ends with nothing run. {_time_limit(until)}",
        KEPT,
    ]
    return "\n\n".join(lines)


def on_experiments(
    items: Sequence[Item],
    others: Sequence[tuple[Proposal, Decision]],
    until: datetime,
    faults: Sequence[str],
) -> str:
    """What stands first in the form for what would train; the board itself does not want `others` run."""
    lines = [
        *_faults(faults),
        f"{_counted(len(items), 'experiment')} would train. {_time_limit(until)}",
        KEPT,
    ]
    if others:
        lines.append(f"Not selected by the board: {len(others)}")
        lines += [
            f"- {plain(proposal.hypothesis)}: {plain(decision.reason)}" for proposal, decision in others
        ]
    return "\n\n".join(lines)


def about_directive(directive: Directive) -> str:
    """What the director wants, for the field that decides on it."""
    budget = directive.budget
    wanted = f"{budget.exploit} exploit, {budget.explore} explore, {budget.wildcat} wildcat"
    return _points(
        f"The director wants to **{directive.mode}**: {plain(directive.objective.rstrip('.'))}.",
        f"**Proposals:** {wanted}",
        f"**Why:** {plain(directive.notes) or 'no reason given'}",
        f"**Focus:** {_axes(directive.focus_axes)}",
        f"**Barred:** {_axes(directive.forbidden_axes)}",
    )


def about(item: Item, reviews: Sequence[Review], metric: str) -> str:
    """What the board knows of a proposal, for the field that decides on it."""
    proposal, decision, check = item.proposal, item.decision, item.decision.feasibility
    predicted = str(proposal.predicted) if proposal.foretells else "none"
    ruling, why = decision.ruling, proposal.justification
    left = "" if item.experiment_id is None else plain(item.experiment_id)
    return _points(
        f"{plain(proposal.hypothesis.rstrip('.'))}.",
        f"**Changes:** {changed(proposal.changes, item.parent.flat())}",
        f"**Predicted {METRICS[metric].label}:** {plain(predicted)}",
        f"**Cost:** about {time_in_words(check.seconds)}, {check.memory_mib:.0f} MiB of memory",
        f"**Proposed by** {plain(proposal.proposer)}{mind_in_words(proposal.mind)} to {proposal.category}: "
        f"{plain(why)}",
        *(
            f"**{CRITICS[review.reviewer]} {STANCES[review.decision]}**{mind_in_words(review.mind)}, "
            f"risk {review.risk}: "
            f"{plain('; '.join(review.reasons)) or 'no reason given'}"
            for review in reviews
            if review.proposal_id == proposal.id
        ),
        f"**Board:** {plain(decision.reason)}",
        f"**Supervisor {STANCES[ruling.decision]}**{mind_in_words(ruling.mind)}: "
        f"{plain('; '.join(ruling.reasons)) or 'nothing said'}",
        *([f"Left as {left} from a run that asked nobody."] if left else []),
        *([ARMS[decision.arm]] if ARMS[decision.arm] else []),
    )


def _points(first: str, *points: str) -> str:
    # A blank line between any two: the form joins what single line breaks part.
    return "\n\n".join([first, *(f"- {point}" for point in points)])


def changed(changes: Mapping[str, Value], before: Mapping[str, Value]) -> str:
    """Each change with the value before where that is known, as Markdown."""
    steps = (
        f"{plain(path)} {plain(wording.show(before[path]))} → **{plain(wording.show(value))}**"
        if path in before
        else f"{plain(path)} **{plain(wording.show(value))}**"
        for path, value in sorted(changes.items())
    )
    return ", ".join(steps) or "none; it is the configured baseline"


def _faults(faults: Sequence[str]) -> list[str]:
    if not faults:
        return []
    head = "**Your answer can't be taken as it is.** What you entered is below; mend it and send it again."
    return [head, *(f"- {plain(fault)}" for fault in faults)]


def _axes(axes: Sequence[str]) -> str:
    return ", ".join(map(plain, axes)) or "none"


def mind_in_words(mind: str) -> str:
    """Which model it was, with a blank before; nothing for the offline mind."""
    return "" if mind == OFFLINE else f" (model {plain(mind)})"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def time_in_words(seconds: float) -> str:
    """`40 s` or `12 min`."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _time_limit(until: datetime) -> str:
    return f"Without an answer by **{until:%d %B %Y, %H:%M} UTC** all of it is rejected."
