"""The probability from which a case is called glaucoma, and what comes of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from arc_core.evaluation.wilson import wilson
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Case
from arc_core.record import Record

LEAST_SENSITIVITY = 0.85
RULE = f"the highest score whose sensitivity on the tuning cases is at least {LEAST_SENSITIVITY}"


class Confusion(Record):
    """Counts of images at a threshold, and shares with Wilson's interval; None where nothing is to share.

    `locked`: one threshold that was fixed before these cases were seen. Otherwise `thresholds`, by fold,
    were each chosen on the other folds. PPV and NPV are those of the cases' own prevalence.
    """

    locked: bool
    thresholds: dict[int, float]
    true_positive: int
    false_negative: int
    false_positive: int
    true_negative: int
    sensitivity: Estimate | None
    specificity: Estimate | None
    ppv: Estimate | None
    npv: Estimate | None


def choose_threshold(
    labels: Sequence[int], scores: Sequence[float], least: float = LEAST_SENSITIVITY
) -> float:
    """On tuning cases: the highest score whose sensitivity is at least `least`.

    A score at the threshold counts as positive. As specificity falls with the threshold, no other that is as
    sensitive is more specific. ValueError without a positive case.
    """
    positives = sorted((score for label, score in zip(labels, scores, strict=True) if label), reverse=True)
    if not positives:
        raise ValueError("no threshold can be chosen: none of the tuning cases has label 1")
    return next(
        score for found, score in enumerate(positives, start=1) if found / len(positives) >= least - 1e-12
    )


def chosen_apart(cases: Sequence[Case]) -> dict[int, float] | None:
    """Fold → the threshold chosen on the other folds, so that no case is judged by one it helped to choose.

    None where a case lacks a label or a probability, or the others of a fold have no positive.
    """
    pairs = [(case.fold, case.label, case.probability) for case in cases]
    thresholds = {}
    for fold in sorted({case.fold for case in cases}):
        tuning = [(label, score) for of, label, score in pairs if of != fold]
        labels = [label for label, _ in tuning if label is not None]
        scores = [score for _, score in tuning if score is not None]
        if not len(labels) == len(scores) == len(tuning) or not any(labels):
            return None
        thresholds[fold] = choose_threshold(labels, scores)
    return thresholds


def sensitivity_apart(cases: Sequence[Case]) -> Estimate | None:
    """At thresholds chosen on the other folds; None as above, and without a positive."""
    thresholds = chosen_apart(cases)
    return None if thresholds is None else confusion_of(cases, thresholds).sensitivity


def confusion_of(cases: Sequence[Case], threshold: float | Mapping[int, float]) -> Confusion:
    """At a locked threshold, or at one for each fold. Every case needs a label and a probability."""
    locked = not isinstance(threshold, Mapping)
    by_fold = {
        case.fold: threshold[case.fold] if isinstance(threshold, Mapping) else threshold for case in cases
    }
    called: defaultdict[tuple[bool, bool], list[str]] = defaultdict(list)
    for case in cases:
        assert case.probability is not None, f"{case.image_id} has no probability"
        called[case.label == 1, case.probability >= by_fold[case.fold]].append(case.patient_id)
    hit, missed, alarm, clear = (
        called[key] for key in ((True, True), (True, False), (False, True), (False, False))
    )
    return Confusion(
        locked=locked,
        thresholds=dict(sorted(by_fold.items())),
        true_positive=len(hit),
        false_negative=len(missed),
        false_positive=len(alarm),
        true_negative=len(clear),
        sensitivity=_share(hit, missed),
        specificity=_share(clear, alarm),
        ppv=_share(hit, alarm),
        npv=_share(clear, missed),
    )


def _share(of: Sequence[str], against: Sequence[str]) -> Estimate | None:
    """Both by patient, one entry per image."""
    return wilson([True] * len(of) + [False] * len(against), [*of, *against])
