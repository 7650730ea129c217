"""What a model is shown stays bounded, newest first, and never holds more than the study's own figures."""

import random

import pytest

from arc_core.agents.briefs import RecallBrief
from arc_core.agents.historian import MIND
from arc_core.agents.minds import digest
from arc_core.agents.minds.historian import question
from arc_core.llm.counsel import tokens_of
from tests.arc_core.agents.study import BASELINE, SPACE, outcome

ROOM = 6000


def history(count: int):
    rng = random.Random(count)
    outcomes = tuple(
        outcome(
            number,
            BASELINE.changed({"seed": number, "optimiser.lr": SPACE.axes["optimiser.lr"].draw(rng)}),
            None if number % 17 == 16 else round(rng.uniform(0.7, 0.9), 4),
            cycle=number // 3,
            reason="diverged " * 40,
        )
        for number in range(count)
    )
    brief = RecallBrief(metric="mean_dice", outcomes=outcomes, parent=BASELINE)
    return brief, MIND.answer(brief)


@pytest.mark.parametrize("count", [0, 10, 1_000, 10_000])
def test_the_historians_prompt_stays_under_its_budget(count):
    brief, past = history(count)
    text = question(brief, past, ROOM)
    assert tokens_of(text) <= ROOM
    if count:
        assert f"{count}: " in text
        assert brief.outcomes[-1].experiment_id in text  # the newest is always shown
    if count == 10:
        assert all(each.experiment_id in text for each in brief.outcomes)


@pytest.mark.parametrize("tokens", [0, 1, 50, 300, 2000])
def test_any_budget_is_kept(tokens):
    brief, past = history(60)
    assert tokens_of(question(brief, past, tokens)) <= max(tokens, 1)


def test_what_is_left_out_is_said():
    text = digest.fitted([("Long", [f"line {n}" for n in range(100)]), ("Short", ["end"])], 120)
    assert "more are left out)" in text
    assert text.startswith("## Long\nline 0\n")


def test_what_a_training_said_as_it_failed_is_shown_to_no_model():
    """It may name a file, and a file a patient."""
    said = "DatasetError: /data/images/SMITH_John_1950.png has changed since"
    failed = outcome(1, BASELINE.changed({"epochs": 30}), None, reason=said)
    brief = RecallBrief(metric="mean_dice", outcomes=(failed,), parent=BASELINE)
    text = question(brief, MIND.answer(brief), ROOM)
    assert "SMITH" not in text
    assert "/data" not in text
    assert f"{failed.experiment_id} failed: not through its values" in text


def test_text_of_other_minds_is_one_line_and_cut():
    _, past = history(20)
    failed = [line for section in digest.past(past, "mean_dice", BASELINE) for line in section[1]]
    assert all("\n" not in line and len(line) < 2 * digest.LONGEST_TEXT for line in failed)
