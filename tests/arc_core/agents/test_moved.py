"""Ideas of a plan that another champion has outdated."""

from arc_core.agents.moved import moved
from tests.arc_core.agents.study import BASELINE, UNKNOWN, brief, outcome, said

FIRST = outcome(0, BASELINE, 0.70)
CHAMPION = outcome(1, BASELINE.changed({"epochs": 30}), 0.80)
NOW = brief((FIRST, CHAMPION))


def test_the_same_changes_are_made_to_the_champion() -> None:
    (found,) = moved([said({"image_size_px": 128})], NOW)
    assert found.parent_id == CHAMPION.experiment_id
    assert found.spec == CHAMPION.spec.changed({"image_size_px": 128})
    assert found.changes == {"image_size_px": 128}
    assert (found.proposer, found.category) == ("explorer", "explore")
    assert found.id != said({"image_size_px": 128}).id


def test_what_changes_nothing_or_is_known_or_breaks_a_limit_is_left_out() -> None:
    same, baseline = said({"epochs": 30}), said({})
    known = outcome(2, CHAMPION.spec.changed({"image_size_px": 128}), 0.75)
    grave = said({"batch_size": 16}).model_copy(update={"changes": {"optimiser.lr": 0.05}})
    asked = brief((FIRST, CHAMPION, known))
    assert moved([same, baseline, said({"image_size_px": 128}), grave], asked) == ()


def test_two_ideas_that_become_one_are_one() -> None:
    made = said({"image_size_px": 128})
    twin = said({"image_size_px": 128, "epochs": 30}, proposer="architect")
    assert len(moved([made, twin], NOW)) == 1


def test_a_models_words_stay_and_nothing_is_foretold_in_its_name() -> None:
    made = said({"image_size_px": 128}).model_copy(
        update={"mind": "qwen3", "predicted": CHAMPION.result.metrics["mean_dice"], "hypothesis": "It helps."}
    )
    (found,) = moved([made], NOW)
    assert (found.mind, found.hypothesis, found.justification) == ("qwen3", "It helps.", made.justification)
    assert found.predicted == UNKNOWN
    assert not found.foretells


def test_the_control_stays_a_control() -> None:
    (found,) = moved([said({"image_size_px": 128}, proposer="control")], NOW)
    assert found.proposer == "control"
    assert moved([said({"epochs": 30, "optimiser.lr": 0.01}, proposer="control")], NOW)
    grave = said({"image_size_px": 128}, proposer="control").model_copy(update={"changes": {"epochs": 2}})
    assert moved([grave], NOW) == (), "no high limit is broken either"
