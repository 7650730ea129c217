"""What every task of one cycle is told: small, frozen, and enough to find the rest in the store."""

from arc_core.agents.board import Board, offline_board
from arc_core.config import ArcConfig
from arc_core.experiments.memory import Memory, open_memory
from arc_core.experiments.study import Cycle, Study
from arc_core.record import Record
from arc_core.settings import get_settings


class Context(Record):
    """`scratch` is the copy of the store that a dry run works on."""

    config: ArcConfig
    study_id: str
    cycle: Cycle
    scratch: str | None = None

    @property
    def memory(self) -> Memory:
        return open_memory(self.scratch or get_settings().store_url)

    @property
    def study(self) -> Study:
        return self.memory.study(self.study_id)

    @property
    def board(self) -> Board:
        return offline_board(self.config.board)
