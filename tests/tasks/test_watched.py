"""What a study's past forbids and forces, from the store to the minds."""

import pytest

from arc_core.config import load_config
from arc_core.experiments.board import History
from tasks.board import decide, direct, forbidden_ranges, propose, review
from tasks.cycle import open_cycle
from tasks.recall import digest
from tests.command import TINY
from tests.contracts.records import RESULT, decision, proposal

NAN = "the training diverged: the loss is nan in epoch 1 of fold 0"


@pytest.fixture
def context(arc_home):
    """A study's first cycle."""
    return open_cycle.fn(load_config(TINY))


def said(context, number: int, **changes: object):
    """A proposal to change the baseline."""
    changes = {path.replace("__", "."): value for path, value in changes.items()}
    spec = context.config.spec.changed(changes)
    return proposal(number).model_copy(update={"spec": spec, "changes": changes})


def after(context, made, failed: str = ""):
    """The cycle after one that ran this proposal, and the id of what it ran."""
    memory = context.memory
    memory.keep(context.cycle.id, [made])
    memory.keep_decisions(context.cycle, [decision(made.id)], {made.id: made})
    (ran,) = [e.id for e in memory.experiments(context.study_id) if e.proposal_id == made.id]
    if failed:
        memory.keep_failure(ran, failed)
    else:
        memory.keep_result(ran, RESULT)
    memory.end_cycle(context.cycle.id)
    return open_cycle.fn(context.config), ran


def test_what_a_failure_taught_is_held_by_every_role(context):
    context, _ = after(context, said(context, 1))
    context, teacher = after(context, said(context, 2, optimiser__lr=5e-3), failed=NAN)
    (bad,) = forbidden_ranges(context)
    assert (bad.low, bad.high, bad.taught_by) == (5e-3, 0.01, teacher)

    history: History = digest.fn(context)
    directive = direct.fn(context, history, 0)
    made = propose.fn(context, history, directive)
    assert made
    assert not any(bad.forbids(each.spec.flat()) for each in made)

    inside = said(context, 3, optimiser__lr=6e-3)
    reviews = review.fn(context, history, directive, (inside,))
    (primary,) = [each for each in reviews if each.reviewer == "critic"]
    assert (primary.decision, primary.risk) == ("reject", "critical")
    (decided,) = decide.fn(context, history, directive, (inside,), reviews, None)
    assert decided.outcome == decided.ruling.decision == "reject"
    assert teacher in decided.reason
    assert not decided.feasibility.runs
    assert teacher in decided.feasibility.reasons[0]


def test_a_board_that_repeats_itself_is_made_to_explore(context):
    for number in range(1, 6):
        context, _ = after(context, said(context, number, seed=number, epochs=4))
    history: History = digest.fn(context)
    assert "mode_collapse" in {alarm.watchdog for alarm in history.alarms}
    directive = direct.fn(context, history, 0)
    assert directive.mode == "explore"
    assert directive.notes.endswith("exploration is forced up to cycle 10")
