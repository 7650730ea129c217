"""Every figure of an experiment, from its out-of-fold cases and from nothing else.

Each case was measured by a model that had not seen it; yet experiments are chosen on these very cases, so
none of this is a test set's. docs/evaluation.md has each figure with its definition and source.
"""

from collections.abc import Mapping, Sequence

from arc_core.evaluation.calibration import Calibration, calibration_of
from arc_core.evaluation.cohort import Cohort
from arc_core.evaluation.decision import DecisionCurve, decision_curve
from arc_core.evaluation.roc import Roc, delong, roc_of, standardised, weighted_partial_auc
from arc_core.evaluation.segmentation import Segmentation, segmentation_of
from arc_core.evaluation.subgroups import Subgroup, subgroups_of
from arc_core.evaluation.threshold import Confusion, chosen_apart, confusion_of
from arc_core.experiments.metric import OF_TASK, Estimate, Task
from arc_core.experiments.result import Case
from arc_core.gate.bootstrap import interval
from arc_core.gate.weighted import weighted_auc, weighted_mean, weighted_sensitivity
from arc_core.record import Record

VERSION = 1
"""Of what the figures mean; a kept `Evaluation` of another version is computed anew."""


class Classification(Record):
    """Glaucoma by the probability of each case: a segmentation's comes from its vCDR, fitted on other folds.

    Intervals are of the patient bootstrap but for `auc_delong` and Wilson's at the threshold. None where a
    figure is not defined.
    """

    positives: int
    auc: Estimate | None
    auc_delong: Estimate | None
    partial_auc: Estimate | None
    partial_auc_raw: Estimate | None
    sensitivity_at_95: Estimate | None
    sensitivity_at_85: Estimate | None
    brier: Estimate | None
    roc: Roc
    calibration: Calibration
    confusion: Confusion | None
    decision: DecisionCurve


class Evaluation(Record):
    """`None`: the task or the data do not have it."""

    images: int
    patients: int
    classification: Classification | None
    segmentation: Segmentation | None
    subgroups: tuple[Subgroup, ...]


def evaluation_of(
    cases: Sequence[Case],
    task: Task,
    *,
    threshold: float | None = None,
    groups: Mapping[str, Mapping[str, str]] | None = None,
) -> Evaluation:
    """`threshold`: one that was locked before; without it each fold gets one chosen on the others.

    `groups`: name of a grouping → image_id → group. ArcError where figures contradict each other, ValueError
    if an image occurs twice.
    """
    cohort = Cohort(cases)
    return Evaluation(
        images=len(cohort.cases),
        patients=cohort.patients,
        classification=_classification(cohort, threshold),
        segmentation=segmentation_of(cohort),
        subgroups=tuple(
            group
            for grouping, group_of in (groups or {}).items()
            for group in subgroups_of(cohort.cases, task, grouping, group_of)
        ),
    )


def metrics_of(cases: Sequence[Case], task: Task) -> dict[str, Estimate]:
    """Every metric of the task that the cases define, with its interval."""
    found = {metric: interval(cases, metric) for metric in OF_TASK[task]}
    return {metric: estimate for metric, estimate in found.items() if estimate is not None}


def _classification(cohort: Cohort, threshold: float | None) -> Classification | None:
    roc, calibration, scored = roc_of(cohort), calibration_of(cohort), cohort.scored
    if roc is None or calibration is None or scored is None:
        return None
    labels, scores = scored
    partial = cohort.estimate(weighted_partial_auc(labels, scores))
    at = threshold if threshold is not None else chosen_apart(cohort.cases)
    return Classification(
        positives=sum(labels),
        auc=cohort.estimate(weighted_auc(labels, scores)),
        auc_delong=delong(labels, scores),
        partial_auc=partial and standardised(partial),
        partial_auc_raw=partial,
        sensitivity_at_95=cohort.estimate(weighted_sensitivity(labels, scores, specificity=0.95)),
        sensitivity_at_85=cohort.estimate(weighted_sensitivity(labels, scores, specificity=0.85)),
        brier=cohort.estimate(
            weighted_mean([(score - label) ** 2 for label, score in zip(labels, scores, strict=True)])
        ),
        roc=roc,
        calibration=calibration,
        confusion=None if at is None else confusion_of(cohort.cases, at),
        decision=decision_curve(labels, scores),
    )
