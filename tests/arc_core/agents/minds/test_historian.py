"""What a model says of the past is kept only as far as the store bears it out."""

import pytest

from arc_core.agents.minds.answers import HistorianSays
from arc_core.agents.minds.historian import recollection
from tests.arc_core.agents.study import BASELINE, outcome

OUTCOMES = (
    outcome(1, BASELINE, 0.912),
    outcome(2, BASELINE.changed({"optimiser.lr": 3e-4}), 0.934),
    outcome(3, BASELINE.changed({"image_size_px": 128}), None, reason="a NaN in the loss"),
)
FIRST, SECOND, FAILED = (each.experiment_id for each in OUTCOMES)


def recollected(text: str, *ids: str):
    said = HistorianSays.model_validate({"lessons": [{"text": text, "experiment_ids": ids}]})
    return recollection(said, OUTCOMES, "a model")


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Mean Dice of 0.934 is the best so far", [SECOND]),
        ("It reached 0.93", [SECOND]),
        ("It reached 93.4 %", [SECOND]),
        ("A learning rate of 3e-4 did well", [SECOND]),
        ("A rate of 0.0003 gained 0.022 over the other", [SECOND, FIRST]),
        ("It lost -0.022", [FIRST, SECOND]),
        ("All 2 experiments kept an image size of 96", [FIRST, SECOND]),
        ("Images of 128 pixels failed", [FAILED]),
        ("Small learning rates are worth another look", [SECOND]),
        (f"{SECOND} beat {FIRST}", [SECOND, FIRST]),
    ],
)
def test_what_the_store_has_is_kept(text, ids):
    found = recollected(text, *ids)
    assert [lesson.text for lesson in found.lessons] == [text]
    assert found.dropped == ()


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("Mean Dice of 0.98765 was reached", [SECOND]),
        ("It reached 0.94", [SECOND]),
        ("It reached 0.934", [FIRST]),  # another experiment's number
        ("A gain of 0.3", [FIRST, SECOND]),
        ("5 of 7 experiments improved", [FIRST, SECOND]),
        ("A rate of 4e-4 did well", [SECOND]),
        ("It reached .98765", [SECOND]),
        ("Dice-0.98765", [SECOND]),
        ("0.98765x better than v0.98765_", [SECOND]),
        ("\u2079\u2079 % of all", [SECOND]),
        ("It is 1e400 times better", [SECOND]),
        ("Version 1.2.3 is better", [SECOND]),
        ("Nobody knows this one", ["exp-unknown"]),
        ("One is known, one is not", [FIRST, "exp-unknown"]),
        ("As exp-0000000000 has shown", [FIRST]),  # named, not cited, not known
        ("", [FIRST]),
    ],
)
def test_what_it_does_not_have_is_dropped_and_counted(text, ids):
    found = recollected(text, *ids)
    assert found.lessons == ()
    (dropped,) = found.dropped
    assert dropped.reason


def test_one_bad_lesson_costs_no_good_one():
    lessons = [
        {"text": "It reached 0.934", "experiment_ids": [SECOND]},
        {"text": "It reached 0.999", "experiment_ids": [SECOND]},
    ]
    found = recollection(HistorianSays.model_validate({"lessons": lessons}), OUTCOMES, "a model")
    assert (len(found.lessons), len(found.dropped), found.mind) == (1, 1, "a model")
