"""What a model wrote, read as the record it was asked for; nothing in it is run or used as a path."""

import json
from collections.abc import Callable
from json import JSONDecodeError
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

S = TypeVar("S", bound=BaseModel)

LONGEST = 100_000  # characters; nothing a role is asked for comes near
TRIES = 50  # opening braces looked at: prose may hold some before the object
TOLD = 5  # faults named at once


class Unfit(Exception):
    """`text` is not the record that was asked for; says why."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(reason)
        self.text = text


def parsed(text: str, kind: type[S], clean: Callable[[str], str] = str) -> S:
    """The first JSON object in `text` that is a `kind`; Unfit names what is wrong with the first of all.

    `clean` takes the secrets out of every string: one that was written with escapes shows only now.
    """
    if not text.strip():
        raise Unfit("the answer is empty", text)
    if len(text) > LONGEST:
        raise Unfit(f"the answer has {len(text):,} characters, at most {LONGEST:,} are read", text)
    first: Unfit | None = None
    for found in _objects(text, clean):
        try:
            return kind.model_validate(found)
        except ValidationError as error:
            first = first or Unfit(_faults(error), text)
    raise first or Unfit("there is no JSON object in the answer", text)


def _objects(text: str, clean: Callable[[str], str]) -> list[dict[str, Any]]:
    """The JSON objects that stand in `text`, outermost only."""
    decoder = json.JSONDecoder(parse_constant=_refuse)
    found: list[dict[str, Any]] = []
    place, tries = text.find("{"), 0
    while place >= 0 and tries < TRIES:
        tries += 1
        try:
            value, end = decoder.raw_decode(text, place)
            found.append(_cleaned(value, clean))
        except (JSONDecodeError, RecursionError, ValueError):
            end = place + 1
        place = text.find("{", end)
    return found


def _cleaned(value: Any, clean: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_cleaned(each, clean) for each in value]
    if isinstance(value, dict):
        return {clean(name): _cleaned(each, clean) for name, each in value.items()}
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _faults(error: ValidationError) -> str:
    faults = error.errors(include_url=False, include_context=False)
    lines = [f"{'.'.join(map(str, each['loc'])) or 'the object'}: {each['msg']}" for each in faults[:TOLD]]
    more = len(faults) - len(lines)
    return "; ".join([*lines, *([f"and {more} more"] if more > 0 else [])])
