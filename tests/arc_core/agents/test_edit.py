"""A person's edit: what is taken, what is refused and why, and what it makes of the decisions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.agents.approval import decision_on_edit, settled
from arc_core.agents.edit import edited, parse_changes
from arc_core.errors import SpecError
from arc_core.experiments.board import Feasibility
from tests.arc_core.agents.study import BASELINE, LOSSES, SPACE
from tests.contracts.records import decision, proposal

PROPOSAL = proposal(1).model_copy(
    update={"changes": {"epochs": 20}, "spec": SPACE.apply(BASELINE, {"epochs": 20})}
)
SEEN = frozenset({BASELINE.id, PROPOSAL.spec.id})


def edit(changes, **given):
    return edited(
        PROPOSAL,
        changes,
        **{
            "editor": "Ann",
            "parent": BASELINE,
            "space": SPACE,
            "losses": LOSSES,
            "seen": SEEN,
            "metric": "mean_dice",
        }
        | given,
    )


def test_an_edit_is_a_proposal_of_its_own():
    made = edit({"epochs": 30, "loss.name": "focal"})
    assert made.id != PROPOSAL.id
    assert (made.spec.epochs, made.spec.loss.name, made.spec.loss.params) == (30, "focal", {"gamma": 2.0})
    assert made.changes == {"epochs": 30, "loss.name": "focal"}
    assert made.strategy == "edited by Ann"
    assert not made.foretells
    assert "Loss focal" in made.hypothesis or "loss focal" in made.hypothesis


def test_the_same_changes_are_no_edit():
    assert edit({"epochs": 20}) is PROPOSAL
    assert edit({"epochs": "20"}) is PROPOSAL


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"epochs": 500}, "epochs: outside the search space; got 500. It allows 10, 15, 20, 30"),
        ({"epochs": 0}, "spec.epochs: Input should be greater than or equal to 1"),
        ({"seed": 3}, "seed: not an axis of the search space"),
        ({"task": "classification"}, "task: not an axis of the search space"),
        ({"loss.params.gamma": 2}, "loss.params.gamma: not an axis of the search space"),
        ({"no.such": 1}, "no.such: no such field"),
        ({"": 1}, "spec.: "),
        ({}, "changes: not new"),
        ({"epochs": 15}, "changes: not new"),
    ],
)
def test_a_bad_edit_is_refused_with_the_reason(changes, reason):
    with pytest.raises(SpecError) as refused:
        edit(changes)
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize(("lr", "severity"), [(0.05, "critical"), (1e-7, "high")])
def test_a_broken_limit_is_refused_though_the_space_allows_it(lr, severity):
    wide = SPACE.axes["optimiser.lr"].model_copy(update={"low": 1e-8, "high": 1})
    space = SPACE.model_copy(update={"axes": {**SPACE.axes, "optimiser.lr": wide}})
    with pytest.raises(SpecError, match=f"breaks a safety limit.*{severity}"):
        edit({"optimiser.lr": lr}, space=space)


@pytest.mark.parametrize(
    "text",
    ["", "epochs: 3", "[1]", '{"epochs": [3]}', '{"epochs": null}', '{"epochs": NaN}', "[" * 4000, "3"],
)
def test_what_is_no_json_object_of_values_is_refused(text):
    with pytest.raises(SpecError, match="not a JSON object of paths and values"):
        parse_changes(text)


VALUES = (
    st.booleans()
    | st.integers(-(10**9), 10**9)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)


@given(st.dictionaries(st.text(), VALUES))
def test_any_changes_come_back_from_their_json(changes):
    assert parse_changes(json.dumps(changes)) == changes


@given(st.dictionaries(st.sampled_from(["", "a.b", *SPACE.axes, *BASELINE.flat()]), VALUES))
def test_an_edit_is_refused_or_within_the_space(changes):
    try:
        made = edit(changes)
    except SpecError:
        return
    assert made is PROPOSAL or (SPACE.outside(made.spec) == {} and made.spec.id not in SEEN)


def test_only_what_was_approved_stays_selected():
    decisions = [
        decision("prop-1"),
        decision("prop-2"),
        decision("prop-3"),
        decision("prop-4", selected=False),
    ]
    check = Feasibility(proposal_id="prop-9", runs=True, seconds=1, memory_mib=1, reasons=())
    made = decision_on_edit(
        PROPOSAL.model_copy(update={"id": "prop-9"}), check, LOSSES, who="Ann", comment="why not"
    )
    after = settled(
        decisions,
        approved=frozenset({"prop-1", "prop-9"}),
        asked=frozenset({"prop-1", "prop-2", "prop-3"}),
        edits={"prop-3": made},
        who="Ann",
        comment="why not",
    )
    assert [(d.proposal_id, d.outcome, d.selected) for d in after] == [
        ("prop-1", "approve", True),
        ("prop-2", "reject", False),
        ("prop-3", "revise", False),
        ("prop-9", "approve", True),
        ("prop-4", "reject", False),
    ]
    assert after[1].reason == "rejected by Ann: why not"
    assert after[2].reason == "edited by Ann, and runs as prop-9: why not"
    assert after[4] == decisions[3]
