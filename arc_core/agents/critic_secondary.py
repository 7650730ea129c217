"""The second critic: is it said clearly, does it teach something, what does it cost."""

from arc_core.agents.briefs import ReviewBrief, Reviews
from arc_core.agents.distance import distance
from arc_core.experiments.board import Proposal, Review, Risk, Role, Stance
from arc_core.experiments.spec import Value

FEWEST_WORDS = 5
TELLS_NOTHING = 0.02  # a fiftieth of one axis: the result could not be told from the neighbour's
COSTLY = 3.0  # times the parent's arithmetic
Flats = dict[str, dict[str, Value]]


class SecondaryCritic:
    role: Role = "critic_secondary"

    def answer(self, brief: ReviewBrief) -> Reviews:
        """Reads the same brief as the first critic, and not a word of what that one wrote."""
        tried = {o.experiment_id: o.spec.flat() for o in brief.history.recent_experiments}
        return Reviews(reviews=tuple(_review(proposal, brief, tried) for proposal in brief.proposals))


def _review(proposal: Proposal, brief: ReviewBrief, tried: Flats) -> Review:
    terse = [
        f"the {part} has {words} words, at least {FEWEST_WORDS} are asked"
        for part, words in (
            ("hypothesis", len(proposal.hypothesis.split())),
            ("justification", len(proposal.justification.split())),
        )
        if words < FEWEST_WORDS
    ]
    if terse:
        return _written(proposal, "revise", 0.9, "low", tuple(terse))
    neighbour, room = _novelty(proposal, brief, tried)
    if neighbour is not None and room < TELLS_NOTHING:
        return _written(proposal, "revise", 0.8, "low", (f"too near {neighbour} to teach anything",))
    cost = relative_cost(proposal, brief)
    risk: Risk = "medium" if cost > COSTLY else "low"
    confidence = 0.7 + 0.2 * min(room, 1.0) - (0.1 if cost > COSTLY else 0.0)
    nearest = f"nearest to {neighbour}" if neighbour is not None else "the first of its kind"
    return _written(
        proposal,
        "approve",
        round(confidence, 3),
        risk,
        (f"{nearest}, {room:.2f} steps away; about {cost:.2g} times the parent's arithmetic",),
    )


def _novelty(proposal: Proposal, brief: ReviewBrief, tried: Flats) -> tuple[str | None, float]:
    """The nearest recent experiment and the steps to it, a stand-in for the information gained."""
    axes, flat = brief.space.active(proposal.spec), proposal.spec.flat()
    nearest, room = None, float(max(1, len(proposal.changes)))
    for experiment_id, other in tried.items():
        away = distance(axes, flat, other)
        if away < room:
            nearest, room = experiment_id, away
    return nearest, room


def relative_cost(proposal: Proposal, brief: ReviewBrief) -> float:
    """Arithmetic against the parent's, by epochs, image area and width; networks are taken as equal."""
    mine, theirs = proposal.spec, brief.parent
    return (
        (mine.epochs / theirs.epochs)
        * (mine.image_size_px / theirs.image_size_px) ** 2
        * (mine.architecture.width / theirs.architecture.width) ** 2
    )


def _written(
    proposal: Proposal, decision: Stance, confidence: float, risk: Risk, reasons: tuple[str, ...]
) -> Review:
    return Review(
        proposal_id=proposal.id,
        reviewer="critic_secondary",
        decision=decision,
        confidence=confidence,
        risk=risk,
        reasons=reasons,
    )


MIND = SecondaryCritic()
