"""Canonical JSON (RFC 8785) and the hashes made from it."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

import rfc8785

Json = None | bool | int | float | str | Sequence["Json"] | Mapping[str, "Json"]


def canonical_json(value: Json) -> bytes:
    """One byte string per value, whatever the order of its keys."""
    return rfc8785.dumps(value)


def sha256_of(value: Json) -> str:
    """Hex SHA-256 of the canonical JSON of `value`."""
    return hashlib.sha256(canonical_json(value)).hexdigest()


def plain(value: Json) -> Json:
    """The value with NaN and the infinities, which JSON does not know, as the words for them."""
    return cast(Json, json.loads(json.dumps(value), parse_constant=str))


def sha256_of_text(text: str) -> str:
    """Hex SHA-256 of `text` in UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_of_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
