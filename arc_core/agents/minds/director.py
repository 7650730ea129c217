"""The director's model: what the cycle is for, within the places there are and the axes that exist."""

from arc_core.agents.briefs import DirectBrief
from arc_core.agents.director import AXES, forced_mode, scaled
from arc_core.agents.minds import digest
from arc_core.agents.minds.answers import DirectorSays
from arc_core.experiments.board import Budget, Directive
from arc_core.experiments.space import SearchSpace


def question(brief: DirectBrief, tokens: int) -> str:
    """What the director's model is shown."""
    sections = (
        *digest.task(brief.metric, brief.parent, brief.parent_id),
        ("Places", [str(brief.slots)]),
        digest.axes(brief.space, brief.parent),
        *digest.past(brief.history, brief.metric, brief.parent),
    )
    return digest.fitted(sections, tokens)


def directive(said: DirectorSays, brief: DirectBrief, offline: Directive, mind: str) -> Directive:
    """What the model wants, held to the places and the mode's rules; what a watchdog forces stays."""
    if forced_mode(brief.history):
        return offline
    return Directive(
        mode=said.mode,
        objective=said.objective or offline.objective,
        budget=_budget(said, brief.slots, offline.budget),
        focus_axes=_known(said.focus_axes, brief.space),
        forbidden_axes=_known(said.forbidden_axes, brief.space),
        notes=said.notes,
        mind=mind,
    )


def _budget(said: DirectorSays, places: int, offline: Budget) -> Budget:
    """Its shares of the places; exploiting and recovering take no wildcat."""
    wildcat = said.budget.wildcat if said.mode == "explore" else 0
    shares = (said.budget.exploit, said.budget.explore, wildcat)
    return scaled(shares, places) if sum(shares) else offline


def _known(axes: list[str], space: SearchSpace) -> tuple[str, ...]:
    return tuple(dict.fromkeys(path for path in axes if path in space.axes))[:AXES]
