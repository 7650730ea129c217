import pytest

from arc_core.experiments.result import Case
from arc_core.gate.verdict import GateConfig, judge, patients_needed
from tests.arc_core.gate.test_bootstrap import cohort

CONFIG = GateConfig(resamples=500)


def shifted(cases: list[Case], by: float) -> list[Case]:
    return [case.model_copy(update={"disc_dice": case.disc_dice + by}) for case in cases]


def test_the_first_result_is_the_baseline():
    verdict = judge("e1", "disc_dice", cohort(), None, None, 0, CONFIG)
    assert (verdict.outcome, verdict.champion_id, verdict.effect, verdict.comparisons) == (
        "baseline",
        None,
        None,
        0,
    )
    assert "disc Dice 0.8" in verdict.reason


@pytest.mark.parametrize(
    ("by", "outcome", "words"),
    [
        (
            0.02,
            "promote",
            "paired gain +0.020 [+0.020, +0.020] over e1: the whole 95 % interval lies above 0.",
        ),
        (-0.02, "reject", "lies below 0."),
        (0.0, "inconclusive", "the 95 % interval includes 0."),
    ],
)
def test_a_gain_beyond_chance_decides(by, outcome, words):
    champion = cohort()
    verdict = judge("e2", "disc_dice", shifted(champion, by), "e1", champion, 3, CONFIG)
    assert verdict.outcome == outcome
    assert words in verdict.reason
    assert (verdict.experiment_id, verdict.champion_id, verdict.comparisons) == ("e2", "e1", 3)
    assert verdict.effect.value == pytest.approx(by)


def test_an_error_metric_is_better_when_lower():
    champion = cohort()
    exact = [case.model_copy(update={"vcdr": case.vcdr_reference}) for case in champion]
    assert judge("e2", "vcdr_mae", exact, "e1", champion, 1, CONFIG).outcome == "promote"
    assert judge("e2", "vcdr_mae", champion, "e1", exact, 1, CONFIG).outcome == "reject"


def test_noise_is_not_promoted():
    champion = cohort(seed=1)
    other = {case.image_id: case for case in cohort(seed=2)}
    challenger = [case.model_copy(update={"disc_dice": other[case.image_id].disc_dice}) for case in champion]
    assert judge("e2", "disc_dice", challenger, "e1", champion, 1, CONFIG).outcome == "inconclusive"


def test_a_handful_of_patients_proves_nothing():
    few = cohort(patients_needed(0.95) - 1)
    verdict = judge("e2", "disc_dice", shifted(few, 0.1), "e1", few, 1, CONFIG)
    assert verdict.outcome == "inconclusive"
    assert "5 patients are too few" in verdict.reason
    enough = cohort(patients_needed(0.95))
    assert judge("e2", "disc_dice", shifted(enough, 0.1), "e1", enough, 1, CONFIG).outcome == "promote"


def test_an_undefined_metric_is_rejected_never_promoted():
    unlabelled = [case.model_copy(update={"label": None}) for case in cohort()]
    assert judge("e1", "auc", unlabelled, None, None, 0, CONFIG).outcome == "reject"


def test_the_level_is_named_in_the_reason():
    champion = cohort()
    config = GateConfig(level=0.995, resamples=500)
    assert "99.5 % interval" in judge("e2", "auc", champion, "e1", champion, 1, config).reason
