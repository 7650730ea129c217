"""One call of a language model, as the store keeps it: what was asked, answered, spent."""

from typing import Literal

from pydantic import Field

from arc_core.experiments.board import Role
from arc_core.record import Record

CallOutcome = Literal[
    "asked", "answered", "timeout", "failed", "invalid", "over_budget", "offline", "set_aside"
]


class Call(Record):
    """One request to a model, or a note: none was made (`over_budget`, `offline`), or a part of an answer
    was not used (`set_aside`).

    `asked` is a call in flight, or one whose process died: its figures are then what it was allowed.
    Prompt and answer are kept without secrets; each hash is of the text that is kept.
    """

    role: Role
    model: str
    purpose: Literal["answer", "repair"] = "answer"
    outcome: CallOutcome
    reason: str = ""
    prompt: str = ""
    prompt_sha256: str = ""
    answer: str = ""
    answer_sha256: str = ""
    tokens_in: int = Field(0, ge=0)
    tokens_out: int = Field(0, ge=0)
    cost_usd: float | None = Field(0.0, description="None: the model's price is not known")
    seconds: float = Field(0.0, ge=0, description="wall-clock")


class Spent(Record):
    """What calls came to."""

    calls: int = 0
    tokens: int = 0
    usd: float = 0.0
    seconds: float = 0.0
