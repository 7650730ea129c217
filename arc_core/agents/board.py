"""The board: nine seats, the minds that take them, and the rules of the vote."""

from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Self

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
from arc_core.agents.minds import critic, director, historian, proposer, supervisor
from arc_core.agents.minds.answers import (
    CriticSays,
    DirectorSays,
    HistorianSays,
    ProposerSays,
    SupervisorSays,
)
from arc_core.agents.minds.consult import ask, consult, consult_all
from arc_core.errors import ConfigError
from arc_core.experiments.board import Directive, History, Proposal, Recollection, Review, Role
from arc_core.llm.counsel import Counsel, Said
from arc_core.record import Record

Autonomy = Literal["semi", "auto", "full", "off"]
ControlArm = Literal["random", "tpe", "off"]
Weight = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]

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
    """The Hydra group `board`: who sits on the board, and how its votes are counted."""

    experiments_per_cycle: int = Field(3, ge=1, le=64)
    proposers: tuple[Literal["architect", "explorer", "parameter_scientist"], ...] = Field(
        ("architect", "explorer", "parameter_scientist"), min_length=1
    )
    strategy: Strategy = "weighted"
    approval_threshold: float = Field(0.66, gt=0, le=1)
    weights: dict[Role, Weight] = WEIGHTS
    autonomy: Autonomy = "full"
    approval_hours: float = Field(24, gt=0, le=24 * 30, description="after that, what waits is rejected")
    control_arm: ControlArm = "random"
    veto_control: float = Field(0.25, ge=0, le=1, description="how often that slot tries a rejected proposal")
    minds: dict[Role, str] = Field({}, description="role → file of arc_core/agents; default: the role's name")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if missing := sorted(set(WEIGHTS) - set(self.weights)):
            raise ValueError(f"weights lack {', '.join(missing)}")
        if len(set(self.proposers)) < len(self.proposers):
            raise ValueError("proposers name a role twice")
        return self


CRITICS: tuple[Role, ...] = ("critic", "critic_secondary")


@dataclass(frozen=True, kw_only=True)
class Board:
    """Nine seats, each with its offline mind; where `counsel` has a model for the role, that is asked too.

    What a model says is held against limits, space and store in code. Where it says nothing usable in
    time, the offline mind's answer stands, and the ledger of calls says why.
    """

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
    counsel: Counsel | None = None

    def recollect(self, brief: RecallBrief, history: History) -> Recollection:
        """What the historian's model makes of the past; LlmTimeout and LlmFailed are the caller's."""
        if self.counsel is None or not self.counsel.has_model("historian"):
            return Recollection()
        said = ask(self.counsel, "historian", partial(historian.question, brief, history), HistorianSays)
        return historian.recollection(said.answer, brief.outcomes, said.model)

    def direct(self, brief: DirectBrief) -> Directive:
        """The director's word for the cycle."""
        offline = self.director.answer(brief)
        said = consult(self.counsel, "director", partial(director.question, brief), DirectorSays)
        return offline if said is None else director.directive(said.answer, brief, offline, said.model)

    def propose(self, brief: ProposeBrief) -> tuple[Proposal, ...]:
        """`brief.count` proposals of each proposer; none repeats what another has just proposed.

        The models think at once; their proposals then come one proposer after the other.
        """
        roles = self.config.proposers
        counsel = self.counsel if brief.count else None
        heard = consult_all(counsel, roles, partial(proposer.question, brief), ProposerSays)
        made: tuple[Proposal, ...] = ()
        for role in roles:
            made += self._proposals(role, _rest(brief, made, brief.count), heard[role])
        return made

    def _proposals(
        self, role: Role, brief: ProposeBrief, said: Said[ProposerSays] | None
    ) -> tuple[Proposal, ...]:
        """The baseline if it is due, then the model's; the offline mind fills the places left."""
        mind: Mind[ProposeBrief, Proposals] = getattr(self, role)
        made: tuple[Proposal, ...] = ()
        if said is not None and self.counsel is not None:
            if brief.count and brief.baseline.id not in brief.seen:
                made = mind.answer(brief.model_copy(update={"count": 1})).proposals
            rest = _rest(brief, made, brief.count - len(made))
            made += proposer.admitted(said.answer, rest, role, said.model, self.counsel)
        return made + mind.answer(_rest(brief, made, brief.count - len(made))).proposals

    def review(self, brief: ReviewBrief) -> Reviews:
        """Both critics' reviews, thought at once; each sees the brief only."""
        counsel = self.counsel if critic.judged(brief.proposals) else None
        heard = consult_all(counsel, CRITICS, partial(critic.question, brief), CriticSays)
        reviews: tuple[Review, ...] = ()
        for role in CRITICS:
            answer: Reviews = getattr(self, role).answer(brief)
            if (said := heard[role]) is not None:
                answer = critic.reviews(said.answer, brief, answer, said.model)
            reviews += answer.reviews
        return Reviews(reviews=reviews)

    def rule(self, brief: RuleBrief) -> Rulings:
        """The supervisor's rulings: the limits first, in code."""
        offline = self.supervisor.answer(brief)
        counsel = self.counsel if critic.judged(brief.proposals) else None
        said = consult(counsel, "supervisor", partial(supervisor.question, brief), SupervisorSays)
        return offline if said is None else supervisor.rulings(said.answer, brief, offline, said.model)


def _rest(brief: ProposeBrief, made: tuple[Proposal, ...], count: int) -> ProposeBrief:
    """The brief for what is still wanted once `made` is there."""
    seen = brief.seen | {proposal.spec.id for proposal in made}
    return brief.model_copy(update={"seen": seen, "count": count})


def offline_board(config: BoardConfig) -> Board:
    """The board with every seat taken by a deterministic policy; ConfigError names a bad mind."""
    minds: dict[str, Any] = {role: _mind(role, config.minds.get(role, role)) for role in WEIGHTS}
    return Board(config=config, **minds)


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
