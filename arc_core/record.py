"""The frozen record that crosses every border inside ARC."""

from pydantic import BaseModel, ConfigDict


class Record(BaseModel):
    """Immutable, keyword-only, and closed: an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


_NAMES: dict[type[Record], set[str]] = {}


def share_names(*records: Record | None) -> None:
    """Have records of one kind share the set of their fields that were given, where many are held: their
    own sets are half of what they take. Nothing changes them, the records being frozen."""
    for record in records:
        if record is not None:
            own = record.__pydantic_fields_set__
            shared = _NAMES.setdefault(type(record), own)
            if own == shared:
                object.__setattr__(record, "__pydantic_fields_set__", shared)
