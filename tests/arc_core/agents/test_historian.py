"""The historian: figures and lessons, each with the experiments it rests on."""

from arc_core.agents.briefs import RecallBrief
from arc_core.agents.historian import MIND, trends
from arc_core.experiments.board import Trends
from tests.arc_core.agents.study import BASELINE, SPACE, outcome, recall, said

LARGER = BASELINE.changed({"image_size_px": 128})
OUTCOMES = (
    outcome(0, BASELINE, 0.800, cycle=1),
    outcome(1, SPACE.apply(BASELINE, {"loss.name": "focal"}), 0.780, cycle=1),
    outcome(2, LARGER, 0.850, cycle=1),
    outcome(
        3,
        LARGER.changed({"optimiser.lr": 0.01}),
        None,
        cycle=2,
        reason="the training diverged: nan",
    ),
    outcome(4, LARGER.changed({"epochs": 30}), 0.840, cycle=2),
    outcome(5, LARGER.changed({"epochs": 10, "batch_size": 4}), 0.830, cycle=3),
)


def test_the_figures() -> None:
    history = recall(OUTCOMES)
    assert (history.total_cycles, history.total_experiments) == (3, 6)
    assert history.best["mean_dice"].value == 0.85
    assert history.best_by_cycle == (0.85, 0.84, 0.83)
    assert history.failed_configs == (OUTCOMES[3].spec.id,)
    assert history.trends.cycles_without_improvement == 2
    assert history.trends.consecutive_regressions == 2


def test_trends_are_told_of_any_experiments() -> None:
    assert trends(OUTCOMES, "mean_dice") == recall(OUTCOMES).trends
    assert trends((), "mean_dice") == Trends(cycles_without_improvement=0, consecutive_regressions=0)


def test_lessons_say_what_changed_and_which_experiments_show_it() -> None:
    lessons = {lesson.text: lesson.experiment_ids for lesson in recall(OUTCOMES).lessons}
    higher = (
        "raising image size from 96 to 128: mean Dice 0.050 higher (exp-002 than exp-000; one training each)"
    )
    lower = (
        "using loss focal instead of dice_ce: mean Dice 0.020 lower "
        "(exp-001 than exp-000; one training each; intervals overlap)"
    )
    assert lessons[higher] == ("exp-002", "exp-000")
    assert lessons[lower] == ("exp-001", "exp-000")
    assert lessons["exp-003 failed: diverged"] == ("exp-003",)


def test_a_later_cycle_is_compared_with_the_best_before_it() -> None:
    texts = " ".join(lesson.text for lesson in recall(OUTCOMES).lessons)
    assert "raising epochs from 15 to 30: mean Dice 0.010 lower (exp-004 than exp-002" in texts
    assert "lowering epochs from 15 to 10 and lowering batch size from 8 to 4: mean Dice 0.020" in texts


def test_successful_patterns_are_the_gains_only() -> None:
    (pattern,) = recall(OUTCOMES).successful_patterns
    assert pattern.experiment_ids == ("exp-002", "exp-000")


def test_lower_is_better_is_read_from_the_metric() -> None:
    outcomes = (
        outcome(0, BASELINE, 0.10, metric="vcdr_mae", cycle=1),
        outcome(1, LARGER, 0.06, metric="vcdr_mae", cycle=2),
    )
    history = recall(outcomes, "vcdr_mae")
    assert history.best["vcdr_mae"].value == 0.06
    assert history.trends.cycles_without_improvement == 0
    assert "vCDR MAE 0.040 lower (exp-001 than exp-000" in history.lessons[0].text


def test_nothing_tried_and_nothing_finished() -> None:
    assert recall(()).best == {}
    failed = recall((outcome(0, BASELINE, None),))
    assert failed.best_by_cycle == ()
    assert failed.lessons[0].text == "exp-000 failed: not through its values"


def test_a_value_that_is_no_number_is_never_the_best() -> None:
    history = recall((outcome(0, BASELINE, float("nan")), outcome(1, LARGER, 0.5)))
    assert history.best["mean_dice"].value == 0.5
    assert history.best_by_cycle == (0.5,)


def test_at_most_fifty_recent_experiments() -> None:
    outcomes = tuple(outcome(i, BASELINE.changed({"seed": i}), 0.8, cycle=i + 1) for i in range(60))
    recent = recall(outcomes).recent_experiments
    assert [o.experiment_id for o in recent] == [f"exp-{i:03}" for i in range(10, 60)]


def test_the_watchdogs_alarms() -> None:
    again = (said({"epochs": 20}), said({"epochs": 30}), said({"loss.name": "dice"}))
    brief = RecallBrief(
        metric="mean_dice",
        outcomes=OUTCOMES,
        parent=BASELINE,
        proposals_by_cycle={1: again, 2: again, 3: again},
        space=SPACE,
        baseline=BASELINE,
    )
    everything = tuple(each.experiment_id for each in OUTCOMES)
    rung = {alarm.watchdog: alarm.experiment_ids for alarm in MIND.answer(brief).alarms}
    assert rung == {"diversity": everything, "duplicates": everything}
    assert recall(OUTCOMES).alarms == ()
