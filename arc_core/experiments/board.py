"""What the board's roles hand to each other, from the digest of past experiments to the decision."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from arc_core.experiments.limits import Violation
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Figures
from arc_core.experiments.spec import ExperimentSpec, Value
from arc_core.record import Record

Role = Literal[
    "historian",
    "director",
    "architect",
    "explorer",
    "parameter_scientist",
    "critic",
    "critic_secondary",
    "supervisor",
    "executor",
]
Mode = Literal["explore", "exploit", "recover"]
Category = Literal["exploit", "explore", "wildcat"]
Stance = Literal["approve", "revise", "reject"]
Risk = Literal["low", "medium", "high", "critical"]


Proposer = Role | Literal["control", "person", "withheld"]
"""`person`: who edited a proposal and approved it. `withheld` where a reviewer must not know; such a proposal
is never stored."""

Arm = Literal["board", "control", "veto_control", "person"]
"""Why an experiment runs: the board chose it; as a plain draw that the board is compared with; rejected by
the board though it broke no limit, to learn whether the board was right; or edited by a person."""

OFFLINE = "offline"
"""The mind of a deterministic policy, where else a model's name stands."""

ENDED = ("finished", "failed", "withdrawn", "pruned")


class Outcome(Record):
    """One past experiment as the board sees it. `result` is None while it runs and when it failed.

    A withdrawn one was approved and never trained: a person said no, or what it was planned on has changed.
    A pruned one was stopped early, as it was worse than the champion.
    """

    experiment_id: str
    cycle: int
    spec: ExperimentSpec
    spec_id: str = Field(
        default_factory=lambda known: known["spec"].id, description="given where it is known: hashing is slow"
    )
    status: Literal["approved", "running", "finished", "failed", "stopped", "withdrawn", "pruned"]
    reason: str = ""
    result: Figures | None = None

    @property
    def has_ended(self) -> bool:
        """Whether it is over for good; a stopped one is taken up again."""
        return self.status in ENDED


class Lesson(Record):
    """A statement about past experiments, and the experiments it rests on."""

    text: str
    experiment_ids: tuple[str, ...] = Field(min_length=1)


class DroppedLesson(Record):
    """What a model said of past experiments that the store does not bear out."""

    text: str
    reason: str


class Recollection(Record):
    """What a model made of the past: lessons whose experiments and numbers the store has, and the rest."""

    mind: str = OFFLINE
    lessons: tuple[Lesson, ...] = ()
    dropped: tuple[DroppedLesson, ...] = ()


class Alarm(Record):
    """What a watchdog saw, and in which experiments."""

    watchdog: Literal["drift", "diversity", "mode_collapse", "duplicates"]
    text: str
    experiment_ids: tuple[str, ...] = Field(min_length=1)


class Trends(Record):
    cycles_without_improvement: int
    consecutive_regressions: int


class History(Record):
    """The historian's digest of everything tried in this study."""

    total_cycles: int
    total_experiments: int
    best: dict[str, Estimate]
    best_by_cycle: tuple[float, ...] = Field((), description="best primary value of each finished cycle")
    recent_experiments: tuple[Outcome, ...] = Field((), max_length=50)
    pending: tuple[str, ...] = Field((), description="experiments whose results are still missing")
    failed_configs: tuple[str, ...] = Field((), description="spec ids")
    successful_patterns: tuple[Lesson, ...] = ()
    trends: Trends
    lessons: tuple[Lesson, ...] = ()
    alarms: tuple[Alarm, ...] = ()


class Budget(Record):
    """How many proposals of each category a cycle takes."""

    exploit: int = Field(ge=0)
    explore: int = Field(ge=0)
    wildcat: int = Field(ge=0)


class Directive(Record):
    """What the director wants from this cycle."""

    mode: Mode
    objective: str
    budget: Budget
    focus_axes: tuple[str, ...] = ()
    forbidden_axes: tuple[str, ...] = ()
    notes: str = ""
    control: bool = Field(False, description="the control has a slot, beside those of the budget")
    mind: str = OFFLINE


class Proposal(Record):
    """A change to a parent spec, with the reason for it and what it should bring."""

    id: str
    proposer: Proposer
    category: Category
    name: str
    hypothesis: str
    justification: str
    parent_id: str | None = Field(
        description="experiment whose spec is changed; None: the configured baseline"
    )
    changes: dict[str, Value]
    spec: ExperimentSpec
    predicted: Estimate = Field(description="of the primary metric, before it runs; [0, 1] says nothing")
    rests_on: tuple[str, ...] = Field((), description="experiments the proposal learned from")
    strategy: str = ""
    mind: str = OFFLINE

    @property
    def foretells(self) -> bool:
        """Whether the prediction says anything."""
        return self.predicted.foretells


class Review(Record):
    """A critic's judgement of one proposal."""

    proposal_id: str
    reviewer: Literal["critic", "critic_secondary"]
    decision: Stance
    confidence: float = Field(ge=0, le=1)
    risk: Risk
    reasons: tuple[str, ...]
    suggested_changes: dict[str, Value] = {}
    mind: str = OFFLINE


class Ruling(Record):
    """The supervisor's word on one proposal; a reject is a veto."""

    proposal_id: str
    decision: Stance
    violations: tuple[Violation, ...] = ()
    overrides_consensus: bool = False
    reasons: tuple[str, ...]
    mind: str = OFFLINE


class Compiled(Record):
    """What compiling a proposal to a training plan showed. `error`: why it does not compile."""

    proposal_id: str
    parameters: int = 0
    memory_mib: float = 0
    """What the training needs on its device, and what the memory limit is held against."""
    seconds: float = 0
    error: str | None = None


class Feasibility(Record):
    """The executor's check: does the spec compile to a training that fits, and what would it cost."""

    proposal_id: str
    runs: bool
    seconds: float
    memory_mib: float
    reasons: tuple[str, ...]


class Vote(Record):
    """One role's stance on one proposal."""

    role: Role
    stance: Stance | Literal["abstain"]
    weight: float = Field(gt=0)
    confidence: float = Field(ge=0, le=1)
    reasons: tuple[str, ...] = ()


class Tally(Record):
    """What the votes on one proposal add up to."""

    stance: Stance
    score: float = Field(description="Σ sign·weight·confidence / Σ weight·confidence, from −1 to 1")
    entropy_bits: float
    agreement: float = Field(description="weight share of the commonest stance")
    controversial: bool
    strategy: str
    reason: str


class Decision(Record):
    """What becomes of one proposal: what the vote and the supervisor decide is what runs."""

    proposal_id: str
    outcome: Stance
    selected: bool = Field(description="it runs: approved and within the cycle's budget, or a control")
    arm: Arm = "board"
    tally: Tally
    votes: tuple[Vote, ...]
    ruling: Ruling
    feasibility: Feasibility
    reason: str


class Approval(Record):
    """The answer to what a cycle asked of a person: the person's, or for want of one the time limit's."""

    stage: Literal["directive", "experiments"]
    approver: str | None = Field(description="the name as entered; None: nobody answered in time")
    outcome: Literal["approve", "reject"] = Field(description="whether anything of it goes on")
    approved: tuple[str, ...] = Field((), description="ids of the proposals that may run, edited ones too")
    rejected: tuple[str, ...] = Field((), description="ids of the proposals that may not")
    edits: dict[str, str] = Field({}, description="id of a proposal → id of what a person made of it")
    comment: str = ""
    answer: dict[str, Value] = Field({}, description="the form as it was sent")
    at: datetime

    @property
    def who(self) -> str:
        """Who answered, in words."""
        return self.approver or "the time limit"

    @property
    def words(self) -> str:
        """The answer in words; each edit counts among the approved."""
        if self.stage == "directive":
            return "approved" if self.outcome == "approve" else "rejected"
        edits = f" ({len(self.edits)} edited)" if self.edits else ""
        return f"{len(self.approved)} approved{edits}, {len(self.rejected)} rejected"
