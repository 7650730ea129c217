"""The vote: the formula, every strategy, and the laws none of them may break."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.agents.consensus import RULES, tally
from arc_core.experiments.board import Vote

STRATEGIES = ("weighted", *RULES)
ROLES = ("director", "critic", "critic_secondary", "supervisor", "executor", "historian")


def vote(stance: str, weight: float = 1.0, confidence: float = 1.0, role: str = "critic") -> Vote:
    return Vote(role=role, stance=stance, weight=weight, confidence=confidence)


any_vote = st.builds(
    vote,
    st.sampled_from(["approve", "revise", "reject", "abstain"]),
    st.floats(0.1, 10),
    st.floats(0, 1),
    st.sampled_from(ROLES),
)


@pytest.mark.parametrize(
    ("votes", "stance", "score"),
    [
        ([vote("approve"), vote("approve")], "approve", 1.0),
        ([vote("approve", 3), vote("revise", 1)], "approve", 0.75),
        ([vote("approve", 2), vote("revise", 2)], "reject", 0.5),
        ([vote("approve", 1), vote("revise", 2)], "revise", 1 / 3),
        ([vote("approve", 2, 0.5), vote("reject", 3, 1.0)], "reject", -0.5),
        ([vote("reject"), vote("reject")], "reject", -1.0),
        ([vote("approve"), vote("approve"), vote("abstain", 9)], "approve", 1.0),
    ],
)
def test_the_weighted_formula(votes: list[Vote], stance: str, score: float) -> None:
    found = tally(votes)
    assert found.stance == stance
    assert found.score == pytest.approx(score)


A, V, R = vote("approve", confidence=0.7), vote("revise", confidence=0.7), vote("reject", confidence=0.7)


@pytest.mark.parametrize(
    ("strategy", "votes", "stance"),
    [
        ("majority", [A, A, R], "approve"),
        ("majority", [A, V, R], "reject"),
        ("majority", [V, V, R], "revise"),
        ("plurality", [vote("approve", 3), R, R], "approve"),
        ("plurality", [A, R], "reject"),
        ("highest_confidence", [vote("approve", confidence=0.9), R, R], "approve"),
        ("highest_confidence", [A, R], "reject"),
        ("progressive", [A, R, R], "approve"),
        ("progressive", [A, A, vote("reject", confidence=0.81)], "reject"),
        ("supervisor", [R, R, vote("approve", confidence=0.9, role="supervisor")], "approve"),
        ("supervisor", [A, A, vote("approve", confidence=0.89, role="supervisor")], "reject"),
        ("supervisor", [A, A], "reject"),
        ("conservative", [A, A], "approve"),
        ("conservative", [A, A, V], "reject"),
    ],
)
def test_each_strategy(strategy: str, votes: list[Vote], stance: str) -> None:
    found = tally(votes, strategy)
    assert (found.stance, found.strategy) == (stance, strategy)
    assert found.reason


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "votes",
    [
        [],
        [vote("approve")],
        [vote("approve"), vote("abstain")],
        [vote("approve", confidence=0.0), vote("approve", confidence=0.0)],
        [vote("approve", weight=math.inf), vote("approve")],
        [Vote.model_construct(role="critic", stance="approve", weight=math.nan, confidence=1.0), A],
        [Vote.model_construct(role="critic", stance="approve", weight=0.0, confidence=1.0)] * 2,
        [Vote.model_construct(role="critic", stance="approve", weight=-5.0, confidence=1.0), A],
    ],
)
def test_without_two_votes_that_weigh_it_fails_closed(strategy: str, votes: list[Vote]) -> None:
    found = tally(votes, strategy)
    assert found.stance == "reject"
    assert math.isfinite(found.score)


@given(st.lists(any_vote, max_size=8), st.sampled_from(STRATEGIES), st.randoms())
def test_the_order_never_matters(votes: list[Vote], strategy: str, rng: random.Random) -> None:
    shuffled = votes.copy()
    rng.shuffle(shuffled)
    assert tally(shuffled, strategy) == tally(votes, strategy)


@given(st.lists(any_vote, max_size=8), st.floats(0.1, 10), st.floats(0, 1))
def test_one_more_approval_never_lowers_the_score(
    votes: list[Vote], weight: float, confidence: float
) -> None:
    before = tally(votes)
    after = tally([*votes, vote("approve", weight, confidence)])
    assert after.score >= before.score - 1e-12


@given(st.lists(any_vote, max_size=8), st.sampled_from(STRATEGIES))
def test_a_tally_stays_within_its_bounds(votes: list[Vote], strategy: str) -> None:
    found = tally(votes, strategy)
    assert -1 <= found.score <= 1
    assert 0 <= found.entropy_bits <= math.log2(3) + 1e-9
    assert 0 <= found.agreement <= 1


def test_the_threshold_is_the_configured_one() -> None:
    votes = [vote("approve", 3), vote("revise", 1)]
    assert tally(votes, threshold=0.75).stance == "approve"
    assert tally(votes, threshold=0.76).stance == "reject"


@pytest.mark.parametrize(
    ("votes", "controversial"),
    [
        ([vote("approve"), vote("approve")], False),
        ([vote("approve"), vote("reject")], True),  # agreement 0.5
        ([vote("approve", 3), vote("reject", 2)], False),  # agreement 0.6, 0.97 bits
        ([vote("approve", 7), vote("revise", 1.5), vote("reject", 1.5)], True),  # agreement 0.7, 1.18 bits
    ],
)
def test_controversy(votes: list[Vote], controversial: bool) -> None:
    assert tally(votes).controversial == controversial
