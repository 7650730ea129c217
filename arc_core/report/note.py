"""A text that an operator reads in Prefect's UI: Markdown in which nothing but ARC's own words is markup.

Texts of records, a language model's among them, go in through `plain`. Long ones stand in lists: the UI's
tables don't wrap.
"""

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime

from arc_core.record import Record


class Note(Record):
    """`line` stands on the artifact's card and above `text` on its own page."""

    line: str
    text: str


def note(title: str, line: str, parts: Iterable[str], *, simulated: bool) -> Note:
    """A heading and paragraphs, marked in both where the data are simulated."""
    warning = "SIMULATED DATA · " if simulated else ""
    text = "\n\n".join((f"# {warning}{title}", *(part for part in parts if part)))
    return Note(line=mark(simulated) + line, text=text)


def mark(simulated: bool) -> str:
    """What the line of whatever rests on simulated data begins with: short, as a card shows few letters."""
    return "**SIMULATED** · " if simulated else ""


def points(lines: Iterable[str]) -> str:
    """A list; nothing without a line."""
    return "\n".join(f"- {line}" for line in lines)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of short cells, the first column left, the others right; nothing without a row."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    if not body:
        return ""
    rule = "|".join(["---", *["--:"] * (len(header) - 1)])
    return "\n".join([f"| {' | '.join(header)} |", f"|{rule}|", *body])


def picture(words: str, svg: str) -> str:
    """A drawing of ARC's own; `words` are read to those who don't see it."""
    return f"![{words}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def moment(at: datetime | None) -> str:
    """`25 November 2026, 18:03 UTC`."""
    return f"{at:%-d %B %Y, %H:%M} UTC" if at is not None else "an unknown time"
