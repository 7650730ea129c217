"""How the gate judged in this study, in words: what its intervals miss, its further seeds, its limits."""

import re

from arc_core.dossier.facts import Facts
from arc_core.dossier.tried import Tried
from arc_core.gate.verdict import percent

GAIN = (
    "Gain, positive where better: of the mean over the experiment's trainings over the mean over the "
    "champion's, paired by patient. "
    "Its brackets are no 95 % interval but the gate's, of the level beside it: the lower end is missed with "
    "the error that this comparison might risk (allowance), the upper with the error of calling a challenger "
    "worse (the rest that the level lacks of 100 %)."
)
RULE = (
    "sensitivity at thresholds chosen on the other folds not beyond chance below gate.least_sensitivity, "
    "where that is set; DRI, where relevance is measured, not below gate.least_dri or, where that is not "
    "set, not beyond chance below the champion's"
)
"""The limits of the gate, as docs/gate.md has them."""
_LIMIT = re.compile(r"(sensitivity|DRI) [^;]*?, limit (\d+(?:\.\d+)?)")


def level_of(tried: Tried) -> str | None:
    """Of the interval of its gain; None where none is printed or it was not recorded."""
    level = tried.verdict.level if tried.verdict and tried.gain else None
    return None if level is None else percent(level)


def seeds_of(tried: Tried) -> str | None:
    """How often it was trained, and the champion that it was compared with."""
    if tried.verdict is None or not tried.verdict.trainings:
        return None
    return f"{len(tried.verdict.trainings)} / {len(tried.verdict.champion_trainings)}"


def seeds_in_words(facts: Facts) -> str:
    """Whether there were further seeds on either side of the study's comparisons."""
    verdicts = [each.verdict for each in facts.tried if each.verdict and each.verdict.champion_id]
    if not verdicts:
        return "Nothing was compared yet, with further training seeds or without."
    theirs = sum(len(verdict.champion_trainings) > 1 for verdict in verdicts)
    ours = sum(len(verdict.trainings) > 1 for verdict in verdicts)
    untold = sum(not verdict.trainings for verdict in verdicts)
    return (
        f"Further training seeds: the champion had some in {theirs} of {len(verdicts)} comparisons, the "
        f"challenger in {ours or 'none'}. It gets them where they may still make it champion."
        + (f" In {untold} comparisons it was not recorded." if untold else "")
    )


def limits_in_words(facts: Facts) -> str:
    """The limits of the gate, and those that the verdicts of the study name."""
    reasons = [each.verdict.reason for each in facts.tried if each.verdict]
    named = dict.fromkeys(found for reason in reasons for found in _LIMIT.findall(reason))
    told = (
        "The verdicts of this study name: " + ", ".join(f"{name} at least {limit}" for name, limit in named)
        if named
        else "No verdict of this study names a figure for one: it is told where a limit was broken, or a "
        "challenger promoted"
    )
    return f"Limits, whose breach rejects a challenger whatever it gains: {RULE}. {told}."
