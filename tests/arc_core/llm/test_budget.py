"""Caps that nothing gets past: what a call is granted, and when it is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.experiments.call import Spent
from arc_core.llm.budget import FEWEST_TOKENS, Caps, Grant, OverBudget, Price, grant

WANTED = Grant(tokens_in=1000, tokens_out=500, seconds=60, usd=0)
CHEAP = Price(per_token_in=1e-6, per_token_out=2e-6)


def test_without_caps_all_is_granted_at_its_price():
    assert grant(WANTED, CHEAP, ()) == WANTED.model_copy(update={"usd": pytest.approx(0.002)})


def test_an_answer_is_cut_to_what_the_tokens_leave():
    granted = grant(WANTED, CHEAP, (("a", Caps(tokens=2000), Spent(tokens=800)),))
    assert granted.tokens_out == 200


def test_the_tightest_cap_counts():
    limits = (("a", Caps(tokens=10_000), Spent()), ("b", Caps(seconds=100), Spent(seconds=70)))
    assert grant(WANTED, CHEAP, limits).seconds == 30


@pytest.mark.parametrize(
    ("caps", "spent", "says"),
    [
        (Caps(tokens=1000), Spent(), "1000 tokens have no room"),
        (Caps(tokens=5000), Spent(tokens=4000 - FEWEST_TOKENS + 1), "5000 tokens have no room"),
        (Caps(usd=0.001), Spent(), "0.001 USD have no room"),
        (Caps(usd=1), Spent(usd=1), "1 USD have no room"),
        (Caps(seconds=10), Spent(seconds=9.5), "10 s have no room"),
        (Caps(tokens=0), Spent(), "0 tokens"),
    ],
)
def test_too_little_left_is_refused_by_name(caps, spent, says):
    with pytest.raises(OverBudget, match=says):
        grant(WANTED, CHEAP, (("the cap of", caps, spent),))


def test_a_model_of_unknown_price_is_refused_under_a_cap_on_money_only():
    assert grant(WANTED, None, (("a", Caps(tokens=5000), Spent()),)).usd == 0
    with pytest.raises(OverBudget, match="price is not known"):
        grant(WANTED, None, (("a", Caps(usd=100), Spent()),))


@given(
    tokens=st.integers(0, 5000),
    usd=st.floats(0, 0.01),
    seconds=st.floats(0, 100),
    used=st.builds(Spent, tokens=st.integers(0, 5000), usd=st.floats(0, 0.01), seconds=st.floats(0, 100)),
)
def test_what_is_granted_never_passes_a_cap(tokens, usd, seconds, used):
    caps = Caps(tokens=tokens, usd=usd, seconds=seconds)
    try:
        granted = grant(WANTED, CHEAP, (("a", caps, used),))
    except OverBudget:
        return
    assert used.tokens + granted.tokens <= tokens
    assert used.usd + granted.usd <= usd + 1e-12
    assert used.seconds + granted.seconds <= seconds + 1e-9
