"""One record with every figure, the same as the gate's where the gate has them; what stands beside it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.evaluation.evaluation import Evaluation, evaluation_of
from arc_core.evaluation.published import Published, Setting, beside
from arc_core.experiments.metric import Estimate
from arc_core.gate.bootstrap import measure
from tests.arc_core.evaluation.cohorts import cases_of, drawn_apart, scored


@pytest.fixture(scope="module")
def cases():
    return cases_of(*drawn_apart(80), folds=4, eyes=2)


def test_what_the_gate_measures_too_is_the_same(cases):
    found, gates = evaluation_of(cases, "classification"), measure(cases, "classification")
    for name in ("auc", "brier", "sensitivity_at_85", "sensitivity_at_95"):
        assert getattr(found.classification, name) == gates[name]
    assert (found.images, found.patients, found.segmentation) == (80, 40, None)
    assert not found.classification.confusion.locked
    assert Evaluation.model_validate_json(found.model_dump_json()) == found


def test_a_locked_threshold_is_used_for_every_fold(cases):
    found = evaluation_of(cases, "classification", threshold=0.4).classification.confusion
    assert found.locked
    assert found.thresholds == dict.fromkeys(range(4), 0.4)


@given(scored(), st.integers(1, 3))
def test_however_few_or_alike_the_cases_are_they_are_evaluated(case, eyes):
    labels, scores, _ = case
    found = evaluation_of(cases_of(labels, scores, eyes=eyes), "classification").classification
    for estimate in (found.auc, found.partial_auc, found.brier, found.calibration.slope):
        assert estimate is None or estimate.low <= estimate.high
    assert all(0 <= rate <= 1 for rate in (*found.roc.low, *found.roc.high))


def test_groups_too_small_to_tell_are_flagged_and_shown(cases):
    site = {case.image_id: "large" if case.image_id < "i0070" else "small" for case in cases[:-1]}
    found = {
        each.name: each for each in evaluation_of(cases, "classification", groups={"site": site}).subgroups
    }
    assert {name: (each.images, each.small) for name, each in found.items()} == {
        "large": (70, False),
        "small": (9, True),
        "not known": (1, True),
    }
    assert found["large"].metrics["auc"] == measure(cases[:70], "classification")["auc"]
    assert "auc" not in found["not known"].metrics
    assert found["not known"].metrics["brier"].patients == 1


AUC = {"auc": Estimate(value=0.9, low=0.8, high=1.0)}
SETTING = Setting(data="REFUGE test", split="the official test part", crop="disc, 3 × 3", resolution_px="512")


def test_nothing_is_comparable_with_simulated_images_or_with_what_is_not_recorded():
    own = Setting(data="mine", split="out-of-fold", crop="none", resolution_px="512")
    simulated = beside(AUC, own, simulated=True)
    assert len(simulated) == 4  # the rows with an AUC
    assert all(row.why_not == ("these images are simulated",) for row in simulated)
    first = beside(AUC, own, simulated=False)[0]
    assert not first.comparable
    assert first.why_not == (
        "data differs",
        "split differs",
        "crop not recorded",
        "resolution not recorded",
    )


def test_the_same_setting_is_comparable():
    row = Published(work="a paper", setting=SETTING, figures={"auc": 0.95}, source="read")
    (found,) = beside(AUC, SETTING, simulated=False, rows=(row,))
    assert found.comparable
    assert found.own == AUC
    other = SETTING.model_copy(update={"crop": "none"})
    assert beside(AUC, other, simulated=False, rows=(row,))[0].why_not == ("crop differs",)
