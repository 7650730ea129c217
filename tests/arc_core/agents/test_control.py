"""The control: a fair draw, blind to its reviewers, and the only one that runs whatever the vote."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_core.agents.control import MOST_AXES, blinded, draw_control
from arc_core.agents.decide import decide
from arc_core.agents.parameter_scientist import NUMBERS
from arc_core.experiments.board import OFFLINE, Budget, Feasibility, Proposal, Ruling, Vote
from arc_core.experiments.limits import Violation, violations
from arc_core.experiments.space import Choice, Range, SearchSpace
from arc_core.experiments.spec import ExperimentSpec
from tests.arc_core.agents.study import BASELINE, LOSSES, SPACE, brief
from tests.arc_core.agents.test_decide import CONFIG, proposal
from tests.arc_core.agents.test_proposers import EXPLOIT, PAST, directive

# The draw


def drawn(arm: str = "random", **changes: object) -> Proposal:
    (made,) = draw_control(brief(PAST, **changes), arm, ())
    return made


@settings(max_examples=40)
@given(st.integers(0, 10_000), st.sampled_from(["random", "tpe"]))
def test_a_control_is_novel_within_the_space_and_breaks_no_grave_limit(seed: int, arm: str) -> None:
    made = drawn(arm, seed=seed)
    assert made.spec.id not in {o.spec.id for o in PAST} | {BASELINE.id}
    assert made.proposer == "control"
    assert made.changes
    assert SPACE.outside(made.spec) == {}
    assert not {"critical", "high"} & {broken.severity for broken in violations(made.spec, LOSSES)}


def test_a_random_control_changes_one_to_three_axes_and_every_axis_has_its_turn() -> None:
    made = [drawn(seed=seed) for seed in range(300)]
    sizes = Counter(len(p.changes) for p in made)
    assert set(sizes) == {1, 2, MOST_AXES}
    assert min(sizes.values()) > 60
    parent = brief(PAST).parent
    assert {path for p in made for path in p.changes} == set(SPACE.active(parent))
    assert all(p.spec == SPACE.apply(parent, p.changes) for p in made)
    assert all(parent.flat()[path] != value for p in made for path, value in p.changes.items())


def test_a_tpe_control_follows_the_estimator_on_all_its_axes() -> None:
    made = [drawn("tpe", seed=seed) for seed in range(24)]
    assert {p.strategy for p in made} == {"tree-structured Parzen estimator"}
    numbers = {path for path in SPACE.active(brief(PAST).parent) if path.startswith(NUMBERS)}
    assert {path for p in made for path in p.changes} == numbers
    assert max(len(p.changes) for p in made) > MOST_AXES


@pytest.mark.parametrize("arm", ["random", "tpe"])
def test_equal_briefs_have_equal_controls_and_another_seed_another(arm: str) -> None:
    assert drawn(arm, seed=3) == drawn(arm, seed=3)
    assert drawn(arm, seed=3).spec != drawn(arm, seed=4).spec


def test_high_limits_are_not_broken_where_most_of_the_space_would() -> None:
    risky = SearchSpace(axes={"architecture.dropout": Range(low=0.0, high=0.9)})
    dropouts = [drawn(seed=seed, space=risky).spec.architecture.dropout for seed in range(50)]
    assert max(dropouts) <= 0.7


def test_the_director_does_not_steer_it() -> None:
    barred = directive("exploit", 2, 0, 0, forbidden_axes=tuple(SPACE.axes), focus_axes=("epochs",))
    assert drawn(directive=barred).changes == drawn(directive=EXPLOIT).changes == drawn().changes


def test_it_wears_the_commonest_category_of_those_it_is_reviewed_beside() -> None:
    def worn(*beside: Proposal) -> str:
        (made,) = draw_control(brief(PAST, directive=EXPLOIT), "random", beside)
        return made.category

    exploits = [proposal(n, category="exploit") for n in (1, 2)]
    assert worn(*exploits, proposal(3, category="wildcat")) == "exploit"
    assert worn(*(each.model_copy(update={"changes": {}}) for each in exploits)) == "explore"  # not reviewed


def test_another_loss_comes_with_its_own_parameters() -> None:
    focal = SPACE.apply(BASELINE, {"loss.name": "focal"})
    axes = {path: SPACE.axes[path] for path in ("loss.name", "loss.params.gamma", "loss.params.beta")}
    space = SearchSpace(axes=axes, loss_params=SPACE.loss_params)
    made = [drawn(seed=seed, parent=focal, space=space) for seed in range(40)]
    assert {p.spec.loss.name for p in made} == LOSSES - {BASELINE.loss.name}  # that would be the baseline
    for p in made:
        assert set(p.spec.loss.params) == set(SPACE.loss_params.get(p.spec.loss.name, {}))


def test_off_or_out_of_ideas_there_is_none() -> None:
    only = SearchSpace(axes={"epochs": Choice(choices=(15, 20))})
    last = BASELINE.changed({"epochs": 20})
    first = brief(space=only)
    assert draw_control(first, "off", ()) == ()
    assert [p.spec for p in draw_control(first, "random", ())] == [last]
    assert draw_control(brief(space=only, seen=frozenset({last.id})), "random", ()) == ()
    assert draw_control(brief(space=SearchSpace(axes={})), "tpe", ()) == ()


def test_reviewers_see_no_arm() -> None:
    ours = tuple(proposal(n, mind="a-model", strategy="a hunch") for n in range(4))
    shown = blinded((*ours, drawn()))
    assert {(p.proposer, p.mind, p.strategy) for p in shown} == {("withheld", OFFLINE, "")}
    assert [p.id for p in shown] == sorted(p.id for p in (*ours, drawn()))
    assert {p.spec.id for p in shown} == {p.spec.id for p in (*ours, drawn())}


# Its place

CONTROL = proposal(3, id="prop-control", proposer="control")
GRAVE = Violation(severity="high", path="epochs", value=1, limit="at least 3")
YES, NO = (
    tuple(Vote(role=r, stance=s, weight=1, confidence=0.9) for r in ("critic", "director"))
    for s in ("approve", "reject")
)


def settle(
    proposals,
    against=(),
    rulings=(),
    stuck=(),
    veto_control=0.0,
    budget=2,
    control_slot=True,
    seed=0,
    votes=None,
):
    """Decisions where all approve of all but those `against`, and those `stuck` do not fit."""
    given = {ruling.proposal_id: ruling for ruling in rulings}
    fine = {p.id: Ruling(proposal_id=p.id, decision="approve", reasons=("fine",)) for p in proposals}
    cast = {p.id: NO if p.id in against else YES for p in proposals}
    decisions = decide(
        proposals,
        votes=cast | (votes or {}),
        rulings=list((fine | given).values()),
        checks=[
            Feasibility(proposal_id=p.id, runs=p.id not in stuck, seconds=1, memory_mib=1, reasons=("x",))
            for p in proposals
        ],
        budget=Budget(exploit=0, explore=budget, wildcat=0),
        config=CONFIG.model_copy(update={"veto_control": veto_control}),
        control_slot=control_slot,
        seed=seed,
    )
    return {d.proposal_id: d for d in decisions}


def running(decisions) -> dict[str, str]:
    return {name: d.arm for name, d in decisions.items() if d.selected}


OURS = [proposal(0), proposal(1), proposal(2)]


def test_the_control_runs_whatever_the_vote_beside_the_boards_budget() -> None:
    found = settle([*OURS, CONTROL], against={"prop-control"})
    assert running(found) == {"prop-0": "board", "prop-1": "board", "prop-control": "control"}
    assert found["prop-control"].outcome == "reject"
    assert "whatever the vote" in found["prop-control"].reason


def test_a_control_that_all_approve_takes_no_place_of_the_board() -> None:
    assert running(settle([*OURS, CONTROL])) == {
        "prop-0": "board",
        "prop-1": "board",
        "prop-control": "control",
    }


def test_without_its_slot_no_control_runs() -> None:
    assert running(settle([*OURS, CONTROL], control_slot=False)) == {"prop-0": "board", "prop-1": "board"}


@pytest.mark.parametrize("stance", ["revise", "reject"])
def test_the_supervisor_keeps_a_control_out_and_the_board_has_its_place(stance: str) -> None:
    ruling = Ruling(proposal_id="prop-control", decision=stance, violations=(GRAVE,), reasons=("short",))
    found = settle([*OURS, CONTROL], rulings=[ruling])
    assert running(found) == dict.fromkeys(("prop-0", "prop-1", "prop-2"), "board")
    assert "supervisor" in found["prop-control"].reason


@pytest.mark.parametrize("stance", ["revise", "reject"])
def test_a_models_mere_opinion_does_not_choose_among_the_controls(stance: str) -> None:
    ruling = Ruling(proposal_id="prop-control", decision=stance, reasons=("not fair",), mind="a-model")
    found = settle([*OURS, CONTROL], rulings=[ruling])
    assert running(found)["prop-control"] == "control"
    assert "not fair" in found["prop-control"].reason


def test_a_control_that_does_not_fit_stays_out() -> None:
    found = settle([*OURS, CONTROL], stuck={"prop-control"})
    assert running(found) == dict.fromkeys(("prop-0", "prop-1", "prop-2"), "board")


# The sampling of vetoes


def test_a_rejected_proposal_takes_the_place_when_it_is_drawn() -> None:
    found = settle([*OURS, CONTROL], against={"prop-2"}, veto_control=1)
    assert running(found) == {"prop-0": "board", "prop-1": "board", "prop-2": "veto_control"}
    assert found["prop-2"].outcome == "reject"
    assert "whether that was right" in found["prop-2"].reason
    assert running(settle([*OURS, CONTROL], against={"prop-2"}, veto_control=0))["prop-control"] == "control"


def test_without_a_rejection_the_control_runs() -> None:
    assert running(settle([*OURS, CONTROL], veto_control=1))["prop-control"] == "control"


def test_the_share_is_kept_and_the_draw_is_fair_and_repeatable() -> None:
    drawn = [
        running(settle([*OURS, CONTROL], against={"prop-1", "prop-2"}, veto_control=0.25, seed=seed))
        for seed in range(400)
    ]
    vetoed = Counter(name for each in drawn for name, arm in each.items() if arm == "veto_control")
    assert set(vetoed) == {"prop-1", "prop-2"}
    assert 70 < vetoed.total() < 130
    assert min(vetoed.values()) > 25
    again = settle([*OURS, CONTROL], against={"prop-1", "prop-2"}, veto_control=0.25, seed=7)
    assert running(again) == drawn[7]


def ruled(stance: str, mind: str, *violations: Violation) -> Ruling:
    return Ruling(proposal_id="prop-2", decision=stance, violations=violations, reasons=("no",), mind=mind)


HISTORIAN = Vote(role="historian", stance="reject", weight=1, confidence=1)


@pytest.mark.parametrize(
    "why",
    [
        {"rulings": [ruled("reject", OFFLINE, GRAVE)]},
        {"rulings": [ruled("reject", "a-model", GRAVE)]},
        {"rulings": [ruled("reject", OFFLINE)]},  # as where the supervisor did not rule
        {"stuck": {"prop-2"}},
        {"votes": {"prop-2": (*NO, HISTORIAN)}},
    ],
)
def test_limits_room_and_failures_are_no_opinion(why) -> None:
    found = settle([*OURS, CONTROL], against={"prop-2"}, veto_control=1, **why)
    assert running(found)["prop-control"] == "control"
    assert "prop-2" not in running(found)


def test_a_models_veto_without_a_broken_limit_is_an_opinion() -> None:
    found = settle([*OURS, CONTROL], rulings=[ruled("reject", "a-model")], veto_control=1)
    assert running(found)["prop-2"] == "veto_control"


def test_one_spec_never_runs_twice_under_two_arms() -> None:
    twin: ExperimentSpec = OURS[0].spec
    found = settle([OURS[0], proposal(1, spec=twin), CONTROL], against={"prop-1"}, veto_control=1)
    assert running(found) == {"prop-0": "board", "prop-control": "control"}
