"""Whether a probability means what it says: calibration slope and intercept, ECE, reliability."""

import numpy as np

from arc_core.evaluation.cohort import Cohort
from arc_core.evaluation.logistic import weighted_logistic
from arc_core.evaluation.wilson import wilson
from arc_core.experiments.metric import Estimate
from arc_core.gate.bootstrap import percentile_interval
from arc_core.gate.weighted import Floats
from arc_core.record import Record

BINS, FEWEST = 10, 5
RULE = f"in bins of equal mass: one for every {FEWEST} images, {BINS} at most"
_CLIP = 1e-6  # a probability of 0 or 1 has no logit


class Bin(Record):
    """The images of one bin: their mean probability, and the share of glaucoma with Wilson's interval."""

    predicted: float
    observed: Estimate
    images: int


class Calibration(Record):
    """`slope`, `intercept`: of the logistic regression of the label on logit(p), 1 and 0 where calibrated
    (Cox, Biometrika 1958); None where the classes are separated. `ece`: expected calibration error."""

    slope: Estimate | None
    intercept: Estimate | None
    ece: float
    bins: tuple[Bin, ...]


def calibration_of(cohort: Cohort) -> Calibration | None:
    """None where the cohort is not scored."""
    if cohort.scored is None:
        return None
    labels, scores = (np.array(column) for column in cohort.scored)
    clipped = np.clip(scores, _CLIP, 1 - _CLIP)
    value, drawn = cohort.drawn(weighted_logistic(labels, np.log(clipped / (1 - clipped))))
    intercept, slope = (
        percentile_interval(float(value[place]), drawn[:, place], cohort.patients) for place in (0, 1)
    )
    bins = bins_of(cohort, equal_mass(scores))
    return Calibration(slope=slope, intercept=intercept, ece=expected_error(bins), bins=bins)


def equal_mass(scores: Floats) -> Floats:
    """The inner edges of the bins: quantiles, some of them equal where many scores are."""
    count = max(1, min(BINS, len(scores) // FEWEST))
    edges: Floats = np.percentile(scores, np.linspace(0, 1, count + 1) * 100)[1:-1]  # rounds as sklearn does
    return edges


def expected_error(bins: tuple[Bin, ...]) -> float:
    """ECE (Naeini et al., AAAI 2015): the mean gap of the bins, each weighed by its images."""
    gaps = [each.images * abs(each.predicted - each.observed.value) for each in bins]
    return sum(gaps) / sum(each.images for each in bins)


def bins_of(cohort: Cohort, edges: Floats) -> tuple[Bin, ...]:
    """Of a scored cohort; none is empty. A score at an inner edge belongs to the lower bin."""
    assert cohort.scored is not None
    labels, scores = (np.array(column) for column in cohort.scored)
    patients = np.array([case.patient_id for case in cohort.cases])
    bin_of = np.searchsorted(edges, scores)
    found = []
    for own in (bin_of == place for place in np.unique(bin_of)):
        observed = wilson((labels[own] == 1).tolist(), patients[own].tolist())
        assert observed is not None, "a bin that was found has images"
        found.append(Bin(predicted=float(scores[own].mean()), observed=observed, images=int(own.sum())))
    return tuple(found)
