import re

import pytest

from arc_core.experiments.result import Case, Verdict
from arc_core.gate.bootstrap import interval
from arc_core.gate.verdict import GateConfig, judge, patients_needed
from tests.arc_core.gate.test_bootstrap import cohort

CONFIG = GateConfig(resamples=500)


def shifted(cases: list[Case], by: float) -> list[Case]:
    return [case.model_copy(update={"disc_dice": case.disc_dice + by}) for case in cases]


def judged(
    metric: str,
    challenger: list[Case],
    champion: list[Case] | None = None,
    *,
    comparisons: int = 0,
    config: GateConfig = CONFIG,
    is_baseline: bool = False,
) -> Verdict:
    """The verdict on `e2` against the champion `e1`, or on a first result."""
    return judge(
        "e2",
        metric,
        challenger,
        "e1" if champion else None,
        champion,
        comparisons,
        config,
        own=interval(challenger, metric),
        is_baseline=is_baseline,
    )


def test_the_first_result_is_the_baseline():
    verdict = judged("disc_dice", cohort(), is_baseline=True)
    assert (verdict.outcome, verdict.champion_id, verdict.effect, verdict.comparisons) == (
        "baseline",
        None,
        None,
        0,
    )
    assert re.match(r"The configured baseline: disc Dice 0\.8.*\(95 % interval\)", verdict.reason)


def test_a_first_result_that_is_not_the_configured_baseline_says_so():
    verdict = judged("disc_dice", cohort(), is_baseline=False)
    assert verdict.outcome == "baseline"
    assert verdict.reason.startswith("The first result of this study: disc Dice 0.8")
    assert "nothing to compare with yet" in verdict.reason
    assert "not the configured baseline" in verdict.reason


@pytest.mark.parametrize(
    ("by", "outcome", "words"),
    [
        (
            0.02,
            "promote",
            "paired gain +0.020 [+0.020, +0.020] (95 % interval) over e1: the whole interval lies above 0.",
        ),
        (-0.02, "reject", "lies below 0."),
        (0.0, "inconclusive", "(95 % interval) over e1: the interval includes 0."),
    ],
)
def test_a_gain_beyond_chance_decides(by, outcome, words):
    champion = cohort()
    verdict = judged("disc_dice", shifted(champion, by), champion, comparisons=3)
    assert verdict.outcome == outcome
    assert words in verdict.reason
    assert (verdict.experiment_id, verdict.champion_id, verdict.comparisons) == ("e2", "e1", 3)
    assert verdict.effect.value == pytest.approx(by)


def test_an_error_metric_is_better_when_lower():
    champion = cohort()
    exact = [case.model_copy(update={"vcdr": case.vcdr_reference}) for case in champion]
    assert judged("vcdr_mae", exact, champion).outcome == "promote"
    assert judged("vcdr_mae", champion, exact).outcome == "reject"


def test_noise_is_not_promoted():
    champion = cohort(seed=1)
    other = {case.image_id: case for case in cohort(seed=2)}
    challenger = [case.model_copy(update={"disc_dice": other[case.image_id].disc_dice}) for case in champion]
    assert judged("disc_dice", challenger, champion).outcome == "inconclusive"


def test_a_handful_of_patients_proves_nothing():
    few = cohort(patients_needed(0.95) - 1)
    verdict = judged("disc_dice", shifted(few, 0.1), few)
    assert verdict.outcome == "inconclusive"
    assert "5 patients are too few" in verdict.reason
    enough = cohort(patients_needed(0.95))
    assert judged("disc_dice", shifted(enough, 0.1), enough).outcome == "promote"


def test_an_undefined_metric_is_rejected_never_promoted():
    unlabelled = [case.model_copy(update={"label": None}) for case in cohort()]
    assert judged("auc", unlabelled).outcome == "reject"


def test_the_level_is_named_and_kept_with_the_effect():
    champion = cohort()
    config = GateConfig(level=0.995, resamples=500)
    verdict = judged("auc", champion, champion, config=config)
    assert "(99.5 % interval)" in verdict.reason
    assert verdict.level == 0.995
    assert judged("auc", champion, config=config).level is None  # no effect, no level
    few = judged("disc_dice", cohort(3), cohort(3), config=config)
    assert "(99.5 % interval)" in few.reason


def test_a_first_result_is_shown_with_the_interval_it_was_measured_with():
    """Whatever the gate's level, a result's own interval is the 95 % one of the tables."""
    own = interval(cohort(), "disc_dice")
    verdict = judged("disc_dice", cohort(), config=GateConfig(level=0.8))
    assert f"{own} (95 % interval)" in verdict.reason


def test_a_verdict_recorded_without_a_level_still_opens():
    body = judged("auc", cohort(), cohort()).model_dump(mode="json")
    del body["level"]
    assert Verdict.model_validate(body).level is None
