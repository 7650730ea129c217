"""A document as data: titles, paragraphs, tables and pictures, in which every measured number is a `Figure`.

Markdown and PDF are two ways to write it (`markdown`, `pdf`): what one says, the other says too.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Literal

from pydantic import Field

from arc_core.dossier.figure import Figure
from arc_core.record import Record

WORDING = (
    "Supporting development record; not a submission, not a Part 11 validation, not evidence of clinical "
    "validity."
)
SIMULATED = "SIMULATED DATA: images that ARC drew itself. Nothing here says anything of patients."

Cell = str | Figure | None
"""Of a table; None: the figure is not defined."""


class Text(Record):
    """A paragraph, its pieces set apart by spaces. `kind`: `note` is set apart, `quiet` is small."""

    words: tuple[str | Figure, ...]
    kind: Literal["plain", "note", "quiet"] = "plain"


class Table(Record):
    """`widths`: shares of the page's width, one per column. Columns in `numbers` are set to the right."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    widths: tuple[float, ...]
    numbers: tuple[int, ...] = ()
    caption: str = ""


class Picture(Record):
    """A PNG or JPEG. `name`: of its file under `figures/`. `width`: share of the page's width."""

    name: str
    content: bytes = Field(repr=False)
    caption: str
    width: float = 0.7
    evaluation: str = Field(description="what it shows was measured in")


Block = Text | Table | Picture


class Section(Record):
    """`level` 2 stands within the section before it."""

    title: str
    blocks: tuple[Block, ...]
    level: Literal[1, 2] = 1


class Document(Record):
    """`name`: of its files, without a suffix. `follows`: the guidance that asks for it, with its version."""

    name: str
    title: str
    follows: str
    sections: tuple[Section, ...]
    mark: str = Field("", description="stands on every page beside the title, such as DRAFT")
    landscape: bool = False

    def figures(self) -> Iterator[Figure]:
        """Every measured number in it."""
        for block in self.blocks():
            if isinstance(block, Text):
                yield from (word for word in block.words if isinstance(word, Figure))
            elif isinstance(block, Table):
                yield from (cell for row in block.rows for cell in row if isinstance(cell, Figure))

    def pictures(self) -> Iterator[Picture]:
        return (block for block in self.blocks() if isinstance(block, Picture))

    def blocks(self) -> Iterator[Block]:
        return (block for section in self.sections for block in section.blocks)


def spaced(pieces: Iterable[str]) -> str:
    """The pieces of a paragraph as one line: no space before a sign that ends something."""
    return re.sub(r" (?=[.,;:)])", "", " ".join(pieces))


def text(*words: str | Figure, kind: Literal["plain", "note", "quiet"] = "plain") -> Text:
    return Text(words=words, kind=kind)


def fields(rows: tuple[tuple[str, Cell], ...], *, width: float = 0.3) -> Table:
    """A table of two columns: what, and what of it."""
    return Table(head=("field", "value"), rows=rows, widths=(width, 1 - width))
