"""Hard caps on what models may spend: tokens, money, seconds. Pure."""

import math

from pydantic import Field

from arc_core.experiments.call import Spent
from arc_core.record import Record

FEWEST_TOKENS = 64  # an answer shorter than this says nothing
FEWEST_S = 1.0


class Caps(Record):
    """The most that may be spent; None: no cap."""

    tokens: int | None = Field(None, ge=0, strict=True, description="prompts and answers together")
    usd: float | None = Field(None, ge=0, allow_inf_nan=False)
    seconds: float | None = Field(
        None, ge=0, allow_inf_nan=False, description="of waiting for models, all calls added up"
    )


class Price(Record):
    """US dollars per token."""

    per_token_in: float = Field(0.0, ge=0)
    per_token_out: float = Field(0.0, ge=0)

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """US dollars."""
        return tokens_in * self.per_token_in + tokens_out * self.per_token_out


class Grant(Record):
    """What one call may take at most; as much is set aside while it runs."""

    tokens_in: int
    tokens_out: int
    seconds: float
    usd: float

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


class OverBudget(Exception):
    """A cap leaves no room for the call; the text says which."""


def grant(wanted: Grant, price: Price | None, limits: tuple[tuple[str, Caps, Spent], ...]) -> Grant:
    """The call cut down to what every cap leaves; OverBudget where that is too little to be of use.

    `limits`: (its name, the caps, what is spent or set aside under them). A model without a known
    `price` is refused under a cap on money: what it would cost could not be held.
    """
    tokens_out, seconds = wanted.tokens_out, wanted.seconds
    for name, caps, spent in limits:
        if caps.tokens is not None:
            left = caps.tokens - spent.tokens - wanted.tokens_in
            tokens_out = _fewer(tokens_out, left, f"{name} {caps.tokens} tokens", f"{spent.tokens}")
        if caps.usd is not None:
            tokens_out = _affordable(tokens_out, wanted.tokens_in, price, caps.usd, spent.usd, name)
        if caps.seconds is not None:
            seconds_left = caps.seconds - spent.seconds
            if seconds_left < min(FEWEST_S, wanted.seconds):
                raise _over(f"{name} {caps.seconds:g} s", f"{spent.seconds:.1f}")
            seconds = min(seconds, seconds_left)
    usd = 0.0 if price is None else price.of(wanted.tokens_in, tokens_out)
    return Grant(tokens_in=wanted.tokens_in, tokens_out=tokens_out, seconds=seconds, usd=usd)


def _fewer(wanted: int, left: int, cap: str, spent: str) -> int:
    if left < min(FEWEST_TOKENS, wanted):
        raise _over(cap, spent)
    return min(wanted, left)


def _over(cap: str, spent: str) -> OverBudget:
    return OverBudget(f"{cap} have no room for this call: {spent} are used, or set aside for calls in flight")


def _affordable(wanted: int, tokens_in: int, price: Price | None, cap: float, spent: float, name: str) -> int:
    if price is None:
        raise OverBudget(f"the model's price is not known, so {name} {cap:g} USD could not be held")
    left = cap - spent - tokens_in * price.per_token_in
    used = f"{spent:.4f}"
    if left < 0:
        raise _over(f"{name} {cap:g} USD", used)
    if price.per_token_out == 0:
        return wanted
    return _fewer(wanted, math.floor(left / price.per_token_out), f"{name} {cap:g} USD", used)
