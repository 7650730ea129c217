"""The frozen record that crosses every border inside ARC."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Immutable, keyword-only, and closed: an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
