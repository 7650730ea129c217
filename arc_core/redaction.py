"""Secrets taken out of whatever is kept: prompts, answers, errors."""

import json
import os
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, unquote

REMOVED = "[secret removed]"
SHORTEST = 6  # anything shorter would also be found in ordinary words

_NAMES = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL|AUTH(?!OR)", re.IGNORECASE)
_SHAPES = re.compile(
    r"\b(?:sk|pk|rk|xox[abprs]|gh[oprsu]|glpat|hf|AKIA|AIza)[-_]?[A-Za-z0-9_\-]{16,}"
    r"|(?<=Bearer )[A-Za-z0-9._~+/=\-]{8,}"
    r"|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"  # user:password of a URL
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
)

_PASSWORD = re.compile(r"://[^\s/:@]*:([^\s/@]+)@|[?&]password=([^\s&#]+)")
_ESCAPED = re.compile(r"(?<!\\)\\(?:u00([2-7][0-9a-fA-F])|(/))")


def unescaped(text: str) -> str:
    """JSON with its needless escapes undone: a secret written as \\u0073\\u006b… would not be found."""

    def plain(found: re.Match[str]) -> str:
        character = found[2] or chr(int(found[1], 16))
        return found[0] if character in '"\\\x7f' else character

    return _ESCAPED.sub(plain, text)


def _passwords(values: Iterable[str]) -> Iterator[str]:
    for value in values:
        for found in _PASSWORD.finditer(value):
            yield found[found.lastindex or 0]
            yield unquote(found[found.lastindex or 0])


def _forms(secret: str) -> Iterator[str]:
    """How it may be written: as it is, in Python's and JSON's quotes, in an address, as HTTP sends it."""
    user, _, password = secret.partition(":")
    for each in (secret, password) if user.isidentifier() and len(password) >= SHORTEST else (secret,):
        yield from (each, repr(each)[1:-1], json.dumps(each)[1:-1], quote(each, safe=""))
        yield b64encode(each.encode(errors="replace")).decode()


class Redaction:
    """Replaces known secrets wherever they stand, and what is shaped like one."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # A number is a limit such as MAX_TOKENS, not a secret.
        known = sorted({s for s in secrets if len(s) >= SHORTEST and not s.isdigit()}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    @classmethod
    def of_environment(cls, *more: str, environment: Mapping[str, str] = os.environ) -> "Redaction":
        """`more`, the value of every variable that is named like a secret, and every URL's password."""
        named = [value for name, value in environment.items() if _NAMES.search(name)]
        return cls(
            form for secret in (*more, *named, *_passwords(environment.values())) for form in _forms(secret)
        )

    def __call__(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REMOVED, text)
        return _SHAPES.sub(REMOVED, text)
