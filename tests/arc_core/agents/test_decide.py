"""From votes to what runs: vetoes, budgets, and no idle places."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.agents.board import WEIGHTS, BoardConfig
from arc_core.agents.decide import decide
from arc_core.agents.votes import collect
from arc_core.experiments.board import Budget, Feasibility, Proposal, Ruling, Vote
from tests.arc_core.agents.study import BASELINE, UNKNOWN, brief, outcome, recall

AXES = ({"image_size_px": 128}, {"epochs": 30}, {"batch_size": 4}, {"schedule": "cosine"}, {"epochs": 20})
CONFIG = BoardConfig()


def proposal(number: int, category: str = "explore", **more: object) -> Proposal:
    changes = AXES[number]
    fields: dict[str, object] = {
        "id": f"prop-{number}",
        "proposer": "architect",
        "category": category,
        "name": "test",
        "hypothesis": "This change should raise mean Dice",
        "justification": "Nothing like it was tried before",
        "parent_id": None,
        "changes": changes,
        "spec": BASELINE.changed(changes),
        "predicted": UNKNOWN,
    }
    return Proposal(**{**fields, **more})


def settle(proposals, votes=None, budget=(1, 2, 0), rulings=None, runs=True):
    """Decisions on proposals that all approve of, unless told otherwise."""
    yes = tuple(Vote(role=r, stance="approve", weight=1, confidence=0.8) for r in ("critic", "director"))
    exploit, explore, wildcat = budget
    default = [Ruling(proposal_id=p.id, decision="approve", reasons=("fine",)) for p in proposals]
    checks = [
        Feasibility(proposal_id=p.id, runs=runs, seconds=1, memory_mib=1, reasons=("x",)) for p in proposals
    ]
    return decide(
        proposals,
        votes={p.id: (votes or {}).get(p.id, yes) for p in proposals},
        rulings=default if rulings is None else rulings,
        checks=checks,
        budget=Budget(exploit=exploit, explore=explore, wildcat=wildcat),
        config=CONFIG,
    )


def selected(decisions) -> list[str]:
    return [d.proposal_id for d in decisions if d.selected]


stances = st.sampled_from(["approve", "revise", "reject", "abstain"])


@given(
    st.lists(
        st.builds(
            Vote, role=st.just("critic"), stance=stances, weight=st.floats(0.1, 9), confidence=st.floats(0, 1)
        ),
        max_size=6,
    )
)
def test_a_veto_always_wins(votes: list[Vote]) -> None:
    veto = [Ruling(proposal_id="prop-0", decision="reject", reasons=("lr over 0.01",))]
    (decision,) = settle([proposal(0)], {"prop-0": tuple(votes)}, rulings=veto)
    assert (decision.outcome, decision.selected) == ("reject", False)
    assert "vetoed by the supervisor: lr over 0.01" in decision.reason


def test_what_cannot_run_is_rejected_whatever_the_vote() -> None:
    (decision,) = settle([proposal(0)], runs=False)
    assert (decision.outcome, decision.selected) == ("reject", False)


def test_a_supervisors_revise_holds_an_approval_back() -> None:
    hold = [Ruling(proposal_id="prop-0", decision="revise", reasons=("epochs under 3",))]
    (decision,) = settle([proposal(0)], rulings=hold)
    assert (decision.outcome, decision.selected) == ("revise", False)


def test_without_ruling_or_votes_nothing_runs() -> None:
    (unruled,) = settle([proposal(0)], rulings=[])
    (unvoted,) = settle([proposal(0)], {"prop-0": ()})
    assert [unruled.outcome, unvoted.outcome] == ["reject", "reject"]


def test_the_budget_is_kept_by_category_and_empty_places_are_filled() -> None:
    three_explore = [proposal(0), proposal(1), proposal(2)]
    assert selected(settle([*three_explore, proposal(3, "exploit")])) == ["prop-0", "prop-1", "prop-3"]
    assert selected(settle(three_explore)) == ["prop-0", "prop-1", "prop-2"]


def test_never_more_than_the_budget_and_the_rest_says_why() -> None:
    decisions = settle([proposal(i) for i in range(4)], budget=(0, 1, 0))
    assert len(selected(decisions)) == 1
    assert "places are taken" in decisions[-1].reason
    assert decisions[-1].outcome == "approve"


def test_the_better_score_goes_first_then_the_weight_behind_it() -> None:
    def votes(*confidences: float, stance: str = "approve") -> tuple[Vote, ...]:
        cast = [Vote(role="critic", stance="approve", weight=1, confidence=c) for c in confidences]
        return (*cast, Vote(role="director", stance=stance, weight=1, confidence=0.1))

    cast = {"prop-0": votes(0.9, stance="revise"), "prop-1": votes(0.5), "prop-2": votes(0.7)}
    proposals = [proposal(i) for i in range(3)]
    assert selected(settle(proposals, cast, budget=(0, 1, 0))) == ["prop-2"]
    assert selected(settle(proposals, cast, budget=(0, 2, 0))) == ["prop-1", "prop-2"]


def test_a_second_question_on_the_same_axes_waits() -> None:
    proposals = [proposal(1), proposal(4), proposal(0)]
    assert selected(settle(proposals, budget=(0, 2, 0))) == ["prop-1", "prop-0"]
    assert len(selected(settle(proposals, budget=(0, 3, 0)))) == 3


def test_one_spec_never_runs_twice() -> None:
    twin = proposal(0, id="prop-9", proposer="explorer")
    assert len(selected(settle([proposal(0), twin], budget=(0, 2, 0)))) == 1


@given(st.permutations(range(5)))
def test_the_order_of_proposals_of_different_minds_does_not_matter(order: list[int]) -> None:
    minds = ("architect", "explorer", "parameter_scientist")
    proposals = [
        proposal(i, proposer=minds[i % 3], category=("explore", "exploit")[i // 3]) for i in range(5)
    ]
    expected = set(selected(settle(proposals)))
    assert set(selected(settle([proposals[i] for i in order]))) == expected


# votes.py


def ballots(made: Proposal, mode: str = "explore", outcomes=(), **axes: object):
    asked = brief(outcomes)
    directive = asked.directive.model_copy(update={"mode": mode, **axes})
    votes = collect(
        [made],
        history=recall(outcomes),
        directive=directive,
        reviews=[],
        rulings=[Ruling(proposal_id=made.id, decision="approve", reasons=("fine",))],
        checks=[Feasibility(proposal_id=made.id, runs=False, seconds=0, memory_mib=0, reasons=("no",))],
        weights=WEIGHTS,
    )
    return {vote.role: vote for vote in votes[made.id]}


def test_the_director_rejects_a_wildcat_while_exploiting() -> None:
    wildcat = proposal(0, "wildcat")
    assert ballots(wildcat, "exploit")["director"].stance == "reject"
    assert ballots(wildcat, "explore")["director"].stance == "approve"


def test_the_director_votes_by_its_axes() -> None:
    focused = ballots(proposal(0), focus_axes=("image_size_px",))["director"]
    plain = ballots(proposal(0))["director"]
    barred = ballots(proposal(0), forbidden_axes=("image_size_px",))["director"]
    assert (focused.stance, plain.stance, barred.stance) == ("approve", "approve", "reject")
    assert focused.confidence > plain.confidence


def test_the_historian_rejects_a_spec_that_failed_and_else_abstains() -> None:
    failed = (outcome(0, proposal(0).spec, None),)
    assert ballots(proposal(0), outcomes=failed)["historian"].stance == "reject"
    assert ballots(proposal(0))["historian"].stance == "abstain"


def test_each_role_votes_with_its_weight_and_proposers_abstain() -> None:
    cast = ballots(proposal(0))
    assert cast["architect"].stance == "abstain"
    assert (cast["supervisor"].stance, cast["supervisor"].weight) == ("approve", 3.0)
    assert (cast["executor"].stance, cast["executor"].confidence) == ("reject", 1.0)


@pytest.mark.parametrize("seed", range(3))
def test_shuffled_votes_decide_alike(seed: int) -> None:
    cast = [
        Vote(role="critic", stance=s, weight=w, confidence=0.7)
        for s, w in (("approve", 5), ("revise", 1), ("reject", 0.5))
    ]
    shuffled = cast.copy()
    random.Random(seed).shuffle(shuffled)
    (one,), (other,) = (settle([proposal(0)], {"prop-0": tuple(v)}) for v in (cast, shuffled))
    assert (one.outcome, one.selected) == (other.outcome, other.selected)
