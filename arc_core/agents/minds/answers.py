"""What a model is asked to answer, role by role.

Wider than ARC's own records: unknown fields are ignored, long texts cut, so that a good answer with a flaw
is not lost. What it says is held against the limits and the store afterwards, in code.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from arc_core.experiments.board import Category, Mode, Risk, Stance
from arc_core.experiments.spec import Value

LARGEST_INTEGER = 2**53 - 1


def _cleaned(longest: int) -> BeforeValidator:
    """One line of printable text, cut to `longest` characters."""

    def clean(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        kept = "".join(character if character.isprintable() else " " for character in value[: 4 * longest])
        return " ".join(kept.split())[:longest]

    return BeforeValidator(clean)


Name = Annotated[str, _cleaned(80)]
Sentence = Annotated[str, _cleaned(400)]
Id = Annotated[str, _cleaned(61), Field(max_length=60)]
Axis = Annotated[str, _cleaned(61), Field(max_length=60)]


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and abs(value) > LARGEST_INTEGER:
        raise ValueError("too large a number")
    return value


Said = Annotated[Value, _cleaned(80), BeforeValidator(_bounded)]
"""A value that the ledger can hold: RFC 8785 knows no larger integer, and no half of a character."""


class Answer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class LessonSaid(Answer):
    """Every number in `text` has to be one of the cited experiments' own."""

    text: Sentence
    experiment_ids: list[Id] = Field(min_length=1, max_length=12)


class HistorianSays(Answer):
    """What the past teaches."""

    lessons: list[LessonSaid] = Field(max_length=12)


class BudgetSaid(Answer):
    exploit: int = Field(ge=0, le=64)
    explore: int = Field(ge=0, le=64)
    wildcat: int = Field(ge=0, le=64)


class DirectorSays(Answer):
    """What this cycle is for."""

    mode: Mode
    objective: Sentence
    budget: BudgetSaid
    focus_axes: list[Axis] = Field([], max_length=20)
    forbidden_axes: list[Axis] = Field([], max_length=20)
    notes: Sentence = ""


class Within(Answer):
    """A range that the optimiser chooses a value from."""

    low: float
    high: float


class PredictionSaid(Answer):
    """The primary metric that is expected, with a 95 % interval."""

    value: float = Field(ge=0, le=1)
    low: float = Field(ge=0, le=1)
    high: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> "PredictionSaid":
        if not self.low <= self.value <= self.high:
            raise ValueError("low must not be over value, nor value over high")
        return self


class ProposalSaid(Answer):
    """Changes to the parent spec: path to value; null or a range is left to the optimiser."""

    name: Name
    hypothesis: Sentence
    justification: Sentence
    category: Category
    changes: dict[Axis, Said | Within | None] = Field(min_length=1, max_length=12)
    predicted: PredictionSaid
    rests_on: list[Id] = Field([], max_length=12)
    strategy: Sentence = ""


class ProposerSays(Answer):
    """Experiments worth running."""

    proposals: list[ProposalSaid] = Field(max_length=12)


class ReviewSaid(Answer):
    proposal_id: Id
    decision: Stance
    confidence: float = Field(ge=0, le=1)
    risk: Risk
    reasons: list[Sentence] = Field(min_length=1, max_length=6)
    suggested_changes: dict[Axis, Said] = Field({}, max_length=12)


class CriticSays(Answer):
    """One review for each proposal."""

    reviews: list[ReviewSaid] = Field(max_length=64)


class RulingSaid(Answer):
    proposal_id: Id
    decision: Literal["approve", "revise", "reject"]
    reasons: list[Sentence] = Field(min_length=1, max_length=6)


class SupervisorSays(Answer):
    """One ruling for each proposal; a reject is a veto."""

    rulings: list[RulingSaid] = Field(max_length=64)
