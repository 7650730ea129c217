"""What every task of one cycle is told: small, frozen, and enough to find the rest in the store."""

from dataclasses import replace
from typing import TypeVar

from arc_core.agents.board import Board, offline_board
from arc_core.config import ArcConfig
from arc_core.experiments.board import Outcome
from arc_core.experiments.memory import Memory, open_memory
from arc_core.experiments.spec import ExperimentSpec
from arc_core.experiments.study import Cycle, Study
from arc_core.llm.counsel import Counsel
from arc_core.record import Record
from arc_core.settings import get_settings

R = TypeVar("R", bound=Record)


class Context(Record):
    """`scratch` is the copy of the store that a dry run works on; after `models_until` (of time.time) no
    language model is waited for."""

    config: ArcConfig
    study_id: str
    cycle: Cycle
    scratch: str | None = None
    models_until: float | None = None

    @property
    def memory(self) -> Memory:
        return open_memory(self.scratch or get_settings().store_url)

    @property
    def study(self) -> Study:
        return self.memory.study(self.study_id)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """Every experiment of the study as the board sees it, oldest first."""
        return self.memory.outcomes(self.study_id)

    @property
    def parent(self) -> tuple[ExperimentSpec, str | None]:
        """Where the board's proposals start from."""
        return parent_in(self.memory, self.study_id, self.config)

    @property
    def asks_before_training(self) -> bool:
        """Whether nothing may train without a person's yes."""
        return self.scratch is None and self.config.board.autonomy in ("semi", "auto")

    @property
    def counsel(self) -> Counsel | None:
        """The models behind the roles; a dry run asks none."""
        if self.scratch is not None or not self.config.llm.has_models:
            return None
        return Counsel(self.memory.calls, self.cycle.id, self.config.llm, get_settings(), self.models_until)

    def said_before(self, kind: type[R]) -> tuple[R, ...]:
        """What the meeting before this one said, where that has been found outdated; of one kind."""
        cycle = self.cycle
        return self.memory.kept(cycle.id, kind, cycle.meeting - 1) if cycle.meeting else ()

    @property
    def board(self) -> Board:
        return replace(offline_board(self.config.board), counsel=self.counsel)


def parent_in(memory: Memory, study_id: str, config: ArcConfig) -> tuple[ExperimentSpec, str | None]:
    """The champion's spec and experiment, or the configured baseline, which has none."""
    champion = memory.champion(study_id)
    return (champion.outcome.spec, champion.id) if champion else (config.spec, None)
