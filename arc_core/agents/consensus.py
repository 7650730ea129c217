"""What the votes on one proposal add up to. Pure, and closed: no consensus is a reject."""

import math
from collections.abc import Callable, Sequence
from typing import Literal

from arc_core.experiments.board import Stance, Tally, Vote

Strategy = Literal[
    "weighted", "majority", "plurality", "highest_confidence", "progressive", "supervisor", "conservative"
]
Answer = tuple[Stance, str]

MIN_VOTES = 2
SIGN = {"approve": 1.0, "revise": 0.0, "reject": -1.0}
CONTROVERSY_BITS = 1.0
CONTROVERSY_AGREEMENT = 0.6
RECKONED: tuple[Stance, ...] = ("reject", "revise", "approve")  # the most cautious first


def tally(votes: Sequence[Vote], strategy: Strategy = "weighted", threshold: float = 0.66) -> Tally:
    """The board's stance on one proposal; the order of the votes never matters.

    score = Σ sign·weight·confidence / Σ weight·confidence with approve +1, revise 0, reject −1;
    abstentions are left out. Under two votes, or without a finite positive total, it is a reject.
    """
    cast = [vote for vote in votes if vote.stance != "abstain"]
    mass = {stance: math.fsum(_mass(vote) for vote in cast if vote.stance == stance) for stance in RECKONED}
    total = math.fsum(mass.values())
    if not (math.isfinite(total) and total > 0):
        return _closed(strategy, "no vote carries any weight: rejected")
    share = {stance: mass[stance] / total for stance in RECKONED}
    score = math.fsum(SIGN[vote.stance] * _mass(vote) for vote in cast) / total
    entropy = -math.fsum(part * math.log2(part) for part in share.values() if part > 0)
    agreement = max(share.values())
    if len(cast) < MIN_VOTES:
        stance, reason = _no_consensus(f"{len(cast)} of at least {MIN_VOTES} votes")
    elif strategy == "weighted":
        stance, reason = _weighted(score, mass, threshold)
    else:
        stance, reason = RULES[strategy](cast, mass)
    return Tally(
        stance=stance,
        score=score,
        entropy_bits=abs(entropy),
        agreement=agreement,
        controversial=entropy > CONTROVERSY_BITS or agreement < CONTROVERSY_AGREEMENT,
        strategy=strategy,
        reason=reason,
    )


def _mass(vote: Vote) -> float:
    return vote.weight * vote.confidence


def _closed(strategy: Strategy, reason: str) -> Tally:
    return Tally(
        stance="reject",
        score=0.0,
        entropy_bits=0.0,
        agreement=0.0,
        controversial=False,
        strategy=strategy,
        reason=reason,
    )


def _no_consensus(why: str) -> Answer:
    return "reject", f"no consensus, {why}: rejected"


def _heaviest(mass: dict[Stance, float]) -> Stance:
    """The stance with the most weight; between equals the more cautious one."""
    return max(RECKONED, key=lambda stance: mass[stance])


def _weighted(score: float, mass: dict[Stance, float], threshold: float) -> Answer:
    if score >= threshold:
        return "approve", f"score {score:.2f} reaches {threshold:.2f}"
    if score <= -threshold:
        return "reject", f"score {score:.2f} reaches −{threshold:.2f}"
    if mass["revise"] > max(mass["approve"], mass["reject"]):
        return "revise", f"score {score:.2f} decides nothing; revise has the most weight"
    return _no_consensus(f"score {score:.2f} between ±{threshold:.2f}")


def _majority(cast: list[Vote], mass: dict[Stance, float]) -> Answer:
    for stance in RECKONED:
        count = sum(vote.stance == stance for vote in cast)
        if 2 * count > len(cast):
            return stance, f"{count} of {len(cast)} votes"
    return _no_consensus(f"no stance has more than half of {len(cast)} votes")


def _plurality(cast: list[Vote], mass: dict[Stance, float]) -> Answer:
    stance = _heaviest(mass)
    return stance, f"most weight, {mass[stance]:.2f}"


def _highest_confidence(cast: list[Vote], mass: dict[Stance, float]) -> Answer:
    top = max(vote.confidence for vote in cast)
    stances = {vote.stance for vote in cast if vote.confidence == top}
    for stance in RECKONED:
        if stances == {stance}:
            return stance, f"highest confidence, {top:.2f}"
    return _no_consensus(f"the highest confidence, {top:.2f}, is shared by different stances")


def _progressive(cast: list[Vote], mass: dict[Stance, float]) -> Answer:
    sure = [vote.role for vote in cast if vote.stance == "reject" and vote.confidence > 0.8]
    if sure:
        return "reject", f"rejected with confidence above 0.8 by {', '.join(sorted(sure))}"
    return "approve", "no reject has a confidence above 0.8"


def _supervisor(cast: list[Vote], mass: dict[Stance, float]) -> Answer:
    word = [vote for vote in cast if vote.role == "supervisor" and vote.confidence >= 0.9]
    for stance in RECKONED:
        if any(vote.stance == stance for vote in word):
            return stance, "the supervisor's word"
    return _no_consensus("no word of the supervisor with a confidence of 0.9")


def _conservative(cast: list[Vote], mass: dict[Stance, float]) -> Answer:
    if all(vote.stance == "approve" for vote in cast):
        return "approve", f"all {len(cast)} votes approve"
    return _no_consensus("not every vote approves")


RULES: dict[Strategy, Callable[[list[Vote], dict[Stance, float]], Answer]] = {
    "majority": _majority,
    "plurality": _plurality,
    "highest_confidence": _highest_confidence,
    "progressive": _progressive,
    "supervisor": _supervisor,
    "conservative": _conservative,
}
