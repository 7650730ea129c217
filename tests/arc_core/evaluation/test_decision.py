"""Net benefit against dcurves, and by its definition."""

import numpy as np
import pytest
from hypothesis import given
from sklearn.datasets import load_breast_cancer

from arc_core.evaluation.decision import decision_curve
from tests.arc_core.evaluation.cohorts import scored


def test_net_benefit_is_that_of_dcurves():
    # dcurves 1.1.7 on this public data: `dca(data, outcome="y", modelnames=["p"], thresholds=…)`.
    data = load_breast_cancer()
    texture = data.data[:, list(data.feature_names).index("mean texture")]
    scores = (texture - texture.min()) / (texture.max() - texture.min())
    found = decision_curve((1 - data.target).tolist(), scores.tolist(), (0.1, 0.25, 0.4, 0.6))
    assert found.model == pytest.approx((0.302285, 0.224956, 0.117750, -0.016696), abs=1e-6)
    assert found.treat_all == pytest.approx((0.302871, 0.163445, -0.045694, -0.568541), abs=1e-6)


@given(scored())
def test_treating_all_is_worth_nothing_where_the_threshold_is_the_prevalence(case):
    labels, scores, _ = case
    prevalence = float(np.mean(labels))
    found = decision_curve(labels, scores, (prevalence,)) if prevalence < 1 else None
    assert found is None or found.treat_all == pytest.approx((0,), abs=1e-12)


def test_a_model_that_calls_everybody_is_treating_all():
    found = decision_curve([0, 1, 1], [1.0, 1.0, 1.0])
    assert found.model == pytest.approx(found.treat_all)
