"""How the gate judged in this study, in words: what its intervals miss, its further seeds, its limits."""

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


def declared_in_words(facts: Facts) -> str:
    """What the study's gate is set to, and since when, by the ledger."""
    told = next(iter(facts.history.of("gate.declared", facts.study.id)), None)
    if told is None:
        return "What the gate was set to is not recorded: the study began with an ARC that declared nothing."
    settings = ", ".join(f"gate.{name}={_shown(value)}" for name, value in told.facts.items())
    when = f"late; {told.reason}" if told.reason else "before the study's first training"
    return (
        f"The gate was declared in event {told.number} of the ledger, {when}. It can't be set otherwise "
        f"after: {settings}."
    )


def _shown(value: object) -> str:
    return "null" if value is None else str(value)


def limits_in_words(facts: Facts) -> str:
    """Which limits the gate has, and where their figures stand."""
    return f"Limits, whose breach rejects a challenger whatever it gains: {RULE}. {declared_in_words(facts)}"
