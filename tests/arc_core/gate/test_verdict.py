"""The gate's answer on one challenger."""

import re

import numpy as np
import pytest

from arc_core.evaluation.threshold import sensitivity_apart
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Case, NoiseFloor, Verdict
from arc_core.gate.bootstrap import interval
from arc_core.gate.verdict import GateConfig, Side, first_verdict, judge, patients_needed
from tests.arc_core.gate.test_bootstrap import cohort

CONFIG = GateConfig(resamples=500)
FLOOR = NoiseFloor(sd=0.002, degrees=8, specs=4)
ALLOWED = 0.0127


def shifted(cases: list[Case], by: float, **fields: object) -> list[Case]:
    return [case.model_copy(update={"disc_dice": case.disc_dice + by} | fields) for case in cases]


def side(name: str, *trials: list[Case]) -> Side:
    ids = (name, *(f"{name}-repeat-{index}" for index in range(1, len(trials))))
    return Side(ids=ids, trials=tuple(map(tuple, trials)))


def judged(metric: str, challenger: Side, champion: Side | None = None, **about: object) -> Verdict | None:
    """On `e2` against the champion `e1`: three trainings of the same cases."""
    told = {"allowance": ALLOWED, "comparison": 4, "config": CONFIG} | about
    return judge(metric, challenger, champion or side("e1", *[cohort()] * 3), FLOOR, **told)


def trained(by: float, seeds: int = 3) -> Side:
    return side("e2", *[shifted(cohort(), by)] * seeds)


def test_the_first_result_is_the_baseline():
    verdict = first_verdict("e2", "disc_dice", interval(cohort(), "disc_dice"), is_baseline=True)
    assert (verdict.outcome, verdict.champion_id, verdict.effect, verdict.comparisons) == (
        "baseline",
        None,
        None,
        0,
    )
    assert re.match(r"The configured baseline: disc Dice 0\.8.*\(95 % interval\)", verdict.reason)


def test_a_first_result_that_is_not_the_configured_baseline_says_so():
    verdict = first_verdict("e2", "disc_dice", interval(cohort(), "disc_dice"), is_baseline=False)
    assert verdict.outcome == "baseline"
    assert verdict.reason.startswith("The first result of this study: disc Dice 0.8")
    assert "nothing to compare with yet" in verdict.reason
    assert "not the configured baseline" in verdict.reason


def test_an_undefined_metric_is_rejected_never_promoted():
    unlabelled = [case.model_copy(update={"label": None}) for case in cohort()]
    assert first_verdict("e2", "auc", interval(unlabelled, "auc"), is_baseline=True).outcome == "reject"
    none = [case.model_copy(update={"probability": None}) for case in cohort()]
    assert judged("auc", side("e2", none)).outcome == "reject"


@pytest.mark.parametrize(
    ("by", "outcome", "words"),
    [
        (0.02, "promote", "the whole interval lies above 0"),
        (-0.02, "reject", "the whole interval lies below 0"),
        (0.001, "inconclusive", "the interval includes 0"),
    ],
)
def test_a_gain_beyond_chance_decides(by, outcome, words):
    verdict = judged("disc_dice", trained(by))
    assert (verdict.outcome, verdict.champion_id, verdict.comparisons) == (outcome, "e1", 4)
    assert words in verdict.reason
    assert f"allowed {ALLOWED:.2g} in comparison 4" in verdict.reason
    assert "over 3 trainings, paired gain" in verdict.reason
    assert verdict.effect.value == pytest.approx(by)
    assert (verdict.effect.low > 0, verdict.effect.high < 0) == (outcome == "promote", outcome == "reject")
    assert verdict.level == pytest.approx(1 - ALLOWED - CONFIG.loss)
    assert verdict.trainings == ("e2", "e2-repeat-1", "e2-repeat-2")
    assert verdict.champion_trainings == ("e1", "e1-repeat-1", "e1-repeat-2")
    assert verdict.noise_floor == FLOOR


def test_the_more_comparisons_the_more_is_asked_of_the_same_gain():
    assert judged("disc_dice", trained(0.006)).outcome == "promote"
    late = judged("disc_dice", trained(0.006), allowance=8e-5, comparison=50)
    assert late.outcome == "inconclusive"
    assert late.effect.low < 0


def test_no_seed_alone_promotes_and_a_promising_one_asks_for_more():
    assert judged("disc_dice", trained(0.5, seeds=1)) is None
    assert judged("disc_dice", trained(0.5, seeds=2)) is None


def test_a_first_seed_without_a_chance_gets_its_verdict_at_once():
    verdict = judged("disc_dice", trained(0.001, seeds=1))
    assert verdict.outcome == "inconclusive"
    assert "over 1 training," in verdict.reason
    assert "with further seeds it would hardly be promoted" in verdict.reason
    assert judged("disc_dice", trained(-0.02, seeds=1)).outcome == "reject"


def test_a_lead_of_the_first_seed_alone_is_no_improvement():
    lucky = side("e2", shifted(cohort(), 0.15), *[shifted(cohort(), -0.001)] * 2)
    verdict = judged("disc_dice", lucky)
    assert verdict.outcome == "inconclusive"
    assert verdict.p_value > 0.1  # what differs so much between seeds is taken at its word


def test_an_error_metric_is_better_when_lower():
    rough = cohort()
    exact = [case.model_copy(update={"vcdr": case.vcdr_reference}) for case in rough]
    assert judged("vcdr_mae", side("e2", *[exact] * 3), side("e1", *[rough] * 3)).outcome == "promote"
    assert judged("vcdr_mae", side("e2", *[rough] * 3), side("e1", *[exact] * 3)).outcome == "reject"


def test_noise_is_not_promoted():
    def noise(seed):
        rng = np.random.default_rng(seed)
        return [case.model_copy(update={"disc_dice": rng.normal(0.8, 0.05)}) for case in cohort()]

    verdict = judged("disc_dice", side("e2", *map(noise, (1, 2, 3))), side("e1", *map(noise, (4, 5, 6))))
    assert verdict.outcome == "inconclusive"


def test_a_handful_of_patients_proves_nothing():
    def outcome(patients):
        cases = cohort(patients)
        return judged("disc_dice", side("e2", *[shifted(cases, 0.1)] * 3), side("e1", *[cases] * 3))

    few = outcome(patients_needed(ALLOWED) - 1)
    assert few.outcome == "inconclusive"
    assert "6 patients are too few to tell, at least 7 are needed" in few.reason
    assert outcome(patients_needed(ALLOWED)).outcome == "promote"


def test_a_clear_loss_needs_no_more_patients_than_the_error_of_calling_it_one():
    cases = cohort(patients_needed(GateConfig().loss))
    lost = judged("disc_dice", side("e2", *[shifted(cases, -0.1)] * 3), side("e1", *[cases] * 3))
    assert lost.outcome == "reject"


def test_of_a_metric_that_ranks_the_rarer_class_has_to_be_large_enough():
    def outcome(ill):
        cases = [each.model_copy(update={"label": int(i < 2 * ill)}) for i, each in enumerate(cohort(60))]
        better = [each.model_copy(update={"probability": 0.5 + 0.4 * (each.label - 0.5)}) for each in cases]
        worse = [each.model_copy(update={"probability": 0.5}) for each in cases]
        return judged("auc", side("e2", *[better] * 3), side("e1", *[worse] * 3))

    few = outcome(6)
    assert few.outcome == "inconclusive"
    assert "6 patients of the rarer class are too few to tell, at least 7 are needed" in few.reason
    assert outcome(7).outcome == "promote"


def test_sides_measured_on_other_cases_are_refused():
    with pytest.raises(ValueError, match="not measured on the same cases"):
        judged("disc_dice", side("e2", cohort(29)))


def told(value: float, low: float, high: float):
    return lambda cases: Estimate(value=value, low=low, high=high)


def test_a_gain_that_costs_sensitivity_is_rejected():
    verdict = judged("disc_dice", trained(0.02), sensitivity=told(0.6, 0.45, 0.74))
    assert verdict.outcome == "reject"
    assert "it breaks a limit: sensitivity 0.600" in verdict.reason
    first = judged("disc_dice", trained(0.02, seeds=1), sensitivity=told(0.6, 0.45, 0.74))
    assert first.outcome == "reject", "and takes no further seeds"
    held = judged("disc_dice", trained(0.02), sensitivity=told(0.83, 0.7, 0.92))
    assert held.outcome == "promote"
    assert "sensitivity 0.830" in held.reason
    off = GateConfig(resamples=500, least_sensitivity=None)
    free = judged("disc_dice", trained(0.02), sensitivity=told(0.6, 0.45, 0.74), config=off)
    assert free.outcome == "promote"


def test_sensitivity_is_that_at_thresholds_chosen_on_the_other_folds():
    cases = cohort(patients=80)
    worse = {"probability": 0.01}
    turned = [case.model_copy(update=worse) for case in cases if case.fold == 1]
    others = [case for case in cases if case.fold != 1]
    assert sensitivity_apart(cases).value == pytest.approx(0.85, abs=0.1)
    assert sensitivity_apart([*others, *turned]).value < 0.85
    assert sensitivity_apart([case.model_copy(update={"label": None}) for case in cases]) is None


def test_what_is_not_measured_is_named_rather_than_passed_over():
    reason = judged("disc_dice", trained(0.02), sensitivity=lambda cases: None).reason
    assert "sensitivity has no limit here" in reason
    assert "DRI has no limit here, as it is not measured" in reason


def with_dri(by: float, dri: float) -> list[Case]:
    return [case.model_copy(update={"dri": dri}) for case in shifted(cohort(), by)]


def test_a_gain_by_looking_elsewhere_is_rejected():
    champion, away = side("e1", *[with_dri(0, 0.4)] * 3), side("e2", *[with_dri(0.02, 0.2)] * 3)
    verdict = judged("disc_dice", away, champion)
    assert verdict.outcome == "reject"
    assert "DRI 0.200, the champion's 0.400" in verdict.reason
    assert judged("disc_dice", side("e2", *[with_dri(0.02, 0.4)] * 3), champion).outcome == "promote"
    bound = GateConfig(resamples=500, least_dri=0.6)
    assert (
        judged("disc_dice", side("e2", *[with_dri(0.02, 0.5)] * 3), champion, config=bound).outcome
        == "reject"
    )


def test_a_verdict_of_an_older_arc_still_opens():
    body = judged("disc_dice", trained(0.02)).model_dump(mode="json")
    for name in ("level", "p_value", "allowance", "trainings", "champion_trainings", "noise_floor"):
        del body[name]
    assert Verdict.model_validate(body).level is None
