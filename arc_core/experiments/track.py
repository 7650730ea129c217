"""Each proposal of a study, followed from the board to the gate."""

from arc_core.experiments.board import OFFLINE, Arm, Outcome, Proposer, Stance
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Verdict
from arc_core.experiments.spec import Value
from arc_core.record import Record


class Word(Record):
    """What a critic or the supervisor said of a proposal."""

    role: str
    mind: str = OFFLINE
    stance: Stance


class Track(Record):
    """One proposal in one cycle. `outcome` is None where it did not run, `verdict` until it has one."""

    cycle: int
    proposer: Proposer
    mind: str = OFFLINE
    parent_id: str | None = None
    changes: dict[str, Value]
    predicted: Estimate
    words: tuple[Word, ...] = ()
    """Of the critics, then of the supervisor."""
    decision: Stance
    """The board's."""
    arm: Arm = "board"
    outcome: Outcome | None = None
    verdict: Verdict | None = None

    @property
    def failed(self) -> bool:
        """It ran and left no figure to compare: the training failed, or the metric is undefined."""
        if self.verdict is not None:
            return self.verdict.outcome == "reject" and self.verdict.effect is None
        return self.outcome is not None and self.outcome.status == "failed"

    @property
    def improved(self) -> bool | None:
        """Whether the gate promoted it; a failure did not improve.

        None while that is open, for a baseline, and where there was nothing to compare it with.
        """
        if not self.changes:
            return None
        if self.failed:
            return False
        if self.verdict is None or self.verdict.effect is None:
            return None
        return self.verdict.outcome == "promote"
