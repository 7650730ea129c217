"""The historian's model: lessons, each held against the experiments it names before anyone reads it."""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

from arc_core.agents.briefs import RecallBrief
from arc_core.agents.effects import is_number
from arc_core.agents.minds import digest
from arc_core.agents.minds.answers import HistorianSays, LessonSaid
from arc_core.experiments.board import DroppedLesson, History, Lesson, Outcome, Recollection

NUMBER = re.compile(r"[-+]?\.?\d[\d.]*(?:[eE][-+]?\d+)?")
"""A number, whatever it is glued to."""


def question(brief: RecallBrief, history: History, tokens: int) -> str:
    """What the historian's model is shown, in at most `tokens` tokens at any number of experiments."""
    sections = (
        *digest.task(brief.metric, brief.parent, brief.parent_id),
        *digest.statistics(brief.outcomes, brief.metric),
        *digest.past(history, brief.metric, brief.parent),
    )
    return digest.fitted(sections, tokens)


def recollection(said: HistorianSays, outcomes: Iterable[Outcome], mind: str) -> Recollection:
    """The lessons whose experiments exist and whose numbers those experiments have; the rest is counted."""
    known = {outcome.experiment_id: outcome for outcome in outcomes}
    lessons, dropped = [], []
    for lesson in said.lessons:
        reason = _fault(lesson, known)
        if reason is None:
            ids = tuple(dict.fromkeys(lesson.experiment_ids))
            lessons.append(Lesson(text=lesson.text, experiment_ids=ids))
        else:
            dropped.append(DroppedLesson(text=lesson.text, reason=reason))
    return Recollection(mind=mind, lessons=tuple(lessons), dropped=tuple(dropped))


def _fault(lesson: LessonSaid, known: Mapping[str, Outcome]) -> str | None:
    """Why the lesson can't stand; None where it can."""
    if not lesson.text:
        return "it is empty"
    strangers = [each for each in lesson.experiment_ids if each not in known]
    named = set(re.findall(r"\bexp-[0-9a-z]+", lesson.text)) - set(lesson.experiment_ids)
    if strangers or named:
        return f"no experiment of this study, or not cited: {', '.join([*strangers, *sorted(named)][:3])}"
    cited = [known[each] for each in dict.fromkeys(lesson.experiment_ids)]
    if any(character.isnumeric() and character not in "0123456789" for character in lesson.text):
        return "it writes numbers in signs that can't be checked"
    facts = _facts(cited)
    for found in NUMBER.findall(_without_names(lesson.text, cited)):
        written = found.rstrip(".")
        if not _matches(written, facts, len(cited)):
            return f"{written} is not a number of {', '.join(each.experiment_id for each in cited[:3])}"
    return None


def _without_names(text: str, cited: Sequence[Outcome]) -> str:
    """The text without what holds digits and is no number: experiments, and the cited specs' own words."""
    words = {word for each in cited for word in each.spec.flat().values() if isinstance(word, str)}
    for word in sorted(words, key=len, reverse=True):
        text = text.replace(word, " ")
    return re.sub(r"\bexp-[0-9a-z]+", " ", text)


def _facts(cited: Sequence[Outcome]) -> list[float]:
    """Every number that the cited experiments have, and the differences of their metrics."""
    facts: list[float] = []
    for outcome in cited:
        facts += [float(value) for value in outcome.spec.flat().values() if is_number(value)]
        facts.append(float(outcome.cycle))
        for found in outcome.result.metrics.values() if outcome.result is not None else ():
            facts += [found.value, found.low, found.high]
    for one, other in combinations(cited, 2):
        mine = one.result.metrics if one.result is not None else {}
        theirs = other.result.metrics if other.result is not None else {}
        facts += [mine[name].value - theirs[name].value for name in mine.keys() & theirs.keys()]
    return facts


def _matches(written: str, facts: Iterable[float], cited: int) -> bool:
    """Whether a fact rounds to the digits that are written; counts of the cited experiments are facts too."""
    try:
        value = float(written)
    except ValueError:  # such as 1.2.3
        return False
    if not math.isfinite(value):
        return False
    if "." not in written and "e" not in written.lower() and 0 <= value <= cited:
        return True
    try:
        grain = _grain(written)
    except (OverflowError, ValueError):  # such as 0e999
        return False
    return any(
        abs(abs(value) - abs(scale * fact)) <= grain * (0.5 + 1e-6)
        for fact in facts
        for scale in (1, 100)  # 0.92 may be written as 92 %
        if math.isfinite(fact)
    )


def _grain(written: str) -> float:
    """One unit of the last digit that is written: 0.01 of 0.92, 1e-4 of 3e-4."""
    mantissa, _, exponent = written.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    return float(10.0 ** (int(exponent or 0) - decimals))
