"""The board: nine seats, the minds that take them, and the rules of the vote."""

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from arc_core.agents.briefs import (
    CheckBrief,
    Checks,
    DirectBrief,
    Proposals,
    ProposeBrief,
    RecallBrief,
    ReviewBrief,
    Reviews,
    RuleBrief,
    Rulings,
)
from arc_core.agents.consensus import Strategy
from arc_core.agents.mind import Mind
from arc_core.errors import ConfigError
from arc_core.experiments.board import Directive, History, Proposal, Role
from arc_core.record import Record

Weight = Annotated[float, Field(gt=0, allow_inf_nan=False)]

WEIGHTS: dict[Role, Weight] = {
    "historian": 1.0,
    "director": 2.0,
    "architect": 1.5,
    "explorer": 1.2,
    "parameter_scientist": 1.5,
    "critic": 2.0,
    "critic_secondary": 1.8,
    "supervisor": 3.0,
    "executor": 1.0,
}


class BoardConfig(Record):
    """The Hydra group `roles`: who sits on the board, and how its votes are counted."""

    experiments_per_cycle: int = Field(3, ge=1, le=64)
    proposers: tuple[Role, ...] = Field(("architect", "explorer", "parameter_scientist"), min_length=1)
    strategy: Strategy = "weighted"
    approval_threshold: float = Field(0.66, gt=0, le=1)
    weights: dict[Role, Weight] = WEIGHTS
    minds: dict[Role, str] = Field({}, description="role → file of arc_core/agents; default: the role's name")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := sorted(set(WEIGHTS) - set(self.weights)):
            raise ValueError(f"weights lack {', '.join(missing)}")
        if strangers := sorted(set(self.proposers) - set(PROPOSERS)):
            raise ValueError(f"{', '.join(strangers)} cannot propose; proposers are {', '.join(PROPOSERS)}")
        if len(set(self.proposers)) < len(self.proposers):
            raise ValueError("proposers name a role twice")
        return self


PROPOSERS: tuple[Role, ...] = ("architect", "explorer", "parameter_scientist")


@dataclass(frozen=True, kw_only=True)
class Board:
    """One mind per role."""

    config: BoardConfig
    historian: Mind[RecallBrief, History]
    director: Mind[DirectBrief, Directive]
    architect: Mind[ProposeBrief, Proposals]
    explorer: Mind[ProposeBrief, Proposals]
    parameter_scientist: Mind[ProposeBrief, Proposals]
    critic: Mind[ReviewBrief, Reviews]
    critic_secondary: Mind[ReviewBrief, Reviews]
    supervisor: Mind[RuleBrief, Rulings]
    executor: Mind[CheckBrief, Checks]

    @property
    def proposers(self) -> tuple[Mind[ProposeBrief, Proposals], ...]:
        """The proposing minds, in the configured order."""
        return tuple(getattr(self, role) for role in self.config.proposers)

    def propose(self, brief: ProposeBrief) -> tuple[Proposal, ...]:
        """`brief.count` proposals of each proposer; none repeats what another has just proposed."""
        made: tuple[Proposal, ...] = ()
        for mind in self.proposers:
            seen = brief.seen | {proposal.spec.id for proposal in made}
            made += mind.answer(brief.model_copy(update={"seen": seen})).proposals
        return made

    def review(self, brief: ReviewBrief) -> Reviews:
        """Both critics' reviews; each sees the brief only."""
        minds = (self.critic, self.critic_secondary)
        return Reviews(reviews=tuple(review for mind in minds for review in mind.answer(brief).reviews))


def offline_board(config: BoardConfig) -> Board:
    """The board with every seat taken by a deterministic policy; ConfigError names a bad mind."""
    return Board(config=config, **{role: _mind(role, config.minds.get(role, role)) for role in WEIGHTS})


def _mind(role: Role, name: str) -> Mind[Any, Any]:
    """`MIND` of a file beside this one. Nothing else is ever imported by a configured name."""
    files = {path.stem for path in Path(__file__).parent.glob("*.py")}
    module = import_module(f"arc_core.agents.{name}") if name in files else None
    mind: Mind[Any, Any] | None = getattr(module, "MIND", None)
    if mind is None or mind.role != role:
        raise ConfigError(
            "no such mind",
            where=f"board.minds.{role}",
            got=name,
            expected=f"a file of arc_core/agents whose MIND takes the role {role}",
            cure=f"Leave it out for the default, {role}.",
        )
    return mind
