"""Fitting the probability of glaucoma to the vertical cup-to-disc ratio."""

from collections.abc import Sequence

from arc_core.experiments.result import Case
from arc_core.experiments.vcdr_model import VcdrModel

# Close to no shrinkage (the ratio lies between 0 and 1), yet finite when it separates the classes.
_INVERSE_REGULARISATION = 100.0


def load_regression() -> None:
    """Import what the fit needs: half a second that there is while a training is waited for."""
    import sklearn.linear_model  # noqa: F401


def fit_vcdr_model(cases: Sequence[Case]) -> VcdrModel | None:
    """Logistic regression of the label on the predicted ratio.

    Cases without a label or without a predicted disc are left out; None when they leave fewer than
    two classes.
    """
    usable = [(case.vcdr, case.label) for case in cases if case.vcdr is not None and case.label is not None]
    if len({label for _, label in usable}) < 2:
        return None
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=_INVERSE_REGULARISATION, max_iter=1000)
    model.fit([[vcdr] for vcdr, _ in usable], [label for _, label in usable])
    return VcdrModel(intercept=float(model.intercept_[0]), slope=float(model.coef_[0, 0]))


def cross_fitted(cases: Sequence[Case]) -> list[Case]:
    """The cases with a probability each, from a model fitted on the other folds.

    No label ever helps to score its own case. Nothing is said of a new image without a disc, yet every
    held-out case must count: without a predicted disc it gets the other folds' prevalence. When any
    fold's others lack a class, no case gets one.
    """
    scored: dict[int, tuple[VcdrModel, float]] = {}
    for fold in {case.fold for case in cases}:
        others = [case for case in cases if case.fold != fold]
        model = fit_vcdr_model(others)
        if model is None:  # a metric over some of the folds would pass for one over all
            return list(cases)
        labels = [case.label for case in others if case.label is not None]
        scored[fold] = (model, sum(labels) / len(labels))
    return [case.model_copy(update={"probability": _score(case, scored)}) for case in cases]


def _score(case: Case, scored: dict[int, tuple[VcdrModel, float]]) -> float:
    model, prevalence = scored[case.fold]
    said = model.probability_of(case.vcdr)
    return prevalence if said is None else said
