"""A document as Markdown (CommonMark with tables)."""

import re
from collections.abc import Iterable, Mapping

from arc_core.dossier.document import SIMULATED, WORDING, Block, Cell, Document, Picture, Table, Text, spaced
from arc_core.dossier.edition import Edition
from arc_core.dossier.figure import Figure
from arc_core.report.summary import printable

FIGURES = "figures"
MANY = 12
"""Evaluations that a document lists; of more it says where they stand."""


def markdown_of(document: Document, edition: Edition, evaluations: Mapping[str, str]) -> str:
    """`evaluations`: hash → what was measured there."""
    up = "../" * document.name.count("/")
    parts = [
        f"# {_plain(document.title)}{f' · {document.mark}' if document.mark else ''}",
        *([f"**{SIMULATED}**"] if edition.simulated else []),
        f"*{WORDING}*",
        _rows(heading(document, edition)),
    ]
    for section in document.sections:
        parts.append(f"{'#' * (section.level + 1)} {_plain(section.title)}")
        parts += [_block(block, up) for block in section.blocks]
    parts += _sources(sources_of(document), evaluations)
    return "\n\n".join(parts) + "\n"


def heading(document: Document, edition: Edition) -> tuple[tuple[str, str], ...]:
    """What a title page says."""
    return (
        ("study", f"{edition.study_id}, data {edition.data}"),
        (edition.role, edition.experiment_id),
        ("version", f"{edition.version} (number and hash of the ledger's last event)"),
        ("as of", f"{edition.at:%Y-%m-%d %H:%M:%S} UTC"),
        ("follows", document.follows),
    )


def sources_of(document: Document) -> tuple[str, ...]:
    """The evaluations that its numbers and pictures come from, in the order of the document."""
    found = [figure.evaluation for figure in document.figures()]
    return tuple(dict.fromkeys([*found, *(picture.evaluation for picture in document.pictures())]))


def sources_in_words(sources: Iterable[str], evaluations: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Hash and what was measured; none where there are too many to list."""
    listed = tuple((source, evaluations[source]) for source in sources)
    return listed if len(listed) <= MANY else ()


TOO_MANY = "Each is an eval.completed of the ledger; experiments.csv has their hashes in full."
SOURCES = "Where the numbers come from"
EXPLAINED = (
    "Beside each measured number stand the first eight digits of the hash of the eval.completed event of "
    "the ledger that it comes from. Brackets hold 95 % intervals where no other "
    "level stands beside them."
)


def _sources(sources: tuple[str, ...], evaluations: Mapping[str, str]) -> list[str]:
    if not sources:
        return []
    listed = sources_in_words(sources, evaluations)
    table = _table(("evaluation", "of"), listed) if listed else TOO_MANY
    return [f"## {SOURCES}", EXPLAINED, table]


def _block(block: Block, up: str) -> str:
    match block:
        case Text():
            words = spaced(_plain(word) if isinstance(word, str) else str(word) for word in block.words)
            return f"> {words}" if block.kind == "note" else words
        case Table():
            caption = f"\n\n*{_plain(block.caption)}*" if block.caption else ""
            return _table(block.head, block.rows, block.numbers) + caption
        case Picture():
            shown = f"{_plain(block.caption)} ({block.evaluation[:8]})"
            return f"![{shown}]({up}{FIGURES}/{block.name})\n\n*{shown}*"


def _rows(rows: Iterable[tuple[str, str]]) -> str:
    return _table(("", ""), tuple(rows))


def _table(head: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], numbers: tuple[int, ...] = ()) -> str:
    rules = ("---:" if place in numbers else "---" for place in range(len(head)))
    lines = [[_plain(name) for name in head], list(rules)]
    lines += [[_cell(cell) for cell in row] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(cell: Cell) -> str:
    if cell is None:
        return "–"
    return str(cell) if isinstance(cell, Figure) else _plain(cell)


def _plain(text: str) -> str:
    """Text from records and people breaks no table and becomes no markup."""
    escaped = re.sub(r"([\\`*_\[\]|#])", r"\\\1", printable(text))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")
