import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.errors import ConfigError
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.objectives import Objective, broken, check_objectives, in_words


@given(st.sampled_from(sorted(METRICS)), st.floats(0, 1), st.floats(0, 1))
def test_a_bound_holds_on_the_better_side_and_where_it_is_met(name, bound, value):
    metric, objective = METRICS[name], Objective(constraint=bound)
    assert objective.holds(metric, bound)
    assert objective.holds(metric, value) == (value >= bound if metric.higher_is_better else value <= bound)
    assert Objective().holds(metric, value)


def test_nothing_known_keeps_no_bound():
    assert not Objective(constraint=0.0).holds(METRICS["dri"], math.nan)


def test_broken_names_the_objectives_in_their_order():
    objectives = {"brier": Objective(constraint=0.1), "auc": Objective(), "dri": Objective(constraint=0.6)}
    low = {name: Estimate(value=0.5, low=0, high=1) for name in ("auc", "brier", "dri")}
    assert broken(objectives, low) == ("brier", "dri")
    assert broken(objectives, {"auc": low["auc"]}) == ()


def test_words_say_which_way_a_bound_lies():
    bound = Objective(constraint=0.6)
    assert in_words("dri", bound) == "DRI, at least 0.6"
    assert in_words("vcdr_mae", bound) == "vCDR MAE, at most 0.6"
    assert in_words("auc", Objective()) == "AUC"


def test_every_classification_is_after_auc():
    check_objectives({"dri": Objective(), "auc": Objective()}, "classification")
    check_objectives({"mean_dice": Objective()}, "segmentation")
    with pytest.raises(ConfigError, match="objectives: AUC is an objective of every classification"):
        check_objectives({"dri": Objective()}, "classification")


@pytest.mark.parametrize(("name", "task"), [("dri", "segmentation"), ("mean_dice", "classification")])
def test_an_objective_is_a_metric_of_the_task(name, task):
    with pytest.raises(ConfigError, match=rf"objectives\.{name}: no metric of {task}.*Choose from"):
        check_objectives({"auc": Objective(), name: Objective()}, task)
