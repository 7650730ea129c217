"""A document as a PDF that one would hand in: title, version, contents, numbered pages, tables that fit.

The same document gives the same bytes: the date in the file is that of the ledger's last event.
"""

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from reportlab.lib import colors
from reportlab.lib.pagesizes import landscape, letter
from reportlab.lib.units import mm
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    Image,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)
from reportlab.platypus import Table as Grid
from reportlab.platypus.tableofcontents import TableOfContents

from arc_core.dossier import pdf_style as style
from arc_core.dossier.document import SIMULATED, WORDING, Block, Cell, Document, Picture, Table, Text, spaced
from arc_core.dossier.edition import Edition
from arc_core.dossier.markdown import (
    EXPLAINED,
    SOURCES,
    TOO_MANY,
    heading,
    sources_in_words,
    sources_of,
)

MARGIN = 18 * mm
HEAD, FOOT = 12 * mm, 14 * mm
"""Of the header's line from the top of the page, and of the footer's from its end."""
TALLEST = 150 * mm
"""Of a row that is kept whole."""
SLIMMEST = 1.1
"""Most height of a picture over the width that it is given."""
HALF = 0.5
"""The width up to which two pictures share a row."""
GAP = 3 * mm
LEAST, HEADING = 30 * mm, 12 * mm
"""Room that there must be for a heading and the first of what follows, and for a heading alone."""
HASHES = (0.62, 0.38)


def pdf_of(document: Document, edition: Edition, evaluations: Mapping[str, str]) -> bytes:
    """`evaluations`: hash → what was measured there."""
    style.register()
    size = landscape(letter) if document.landscape else letter
    buffer = io.BytesIO()
    with _dated(edition.at):
        made = _Template(buffer, document, edition, size)
        made.multiBuild(
            list(_story(document, edition, evaluations, made.width, made.height)), canvasmaker=_Canvas
        )
    return buffer.getvalue()


@contextmanager
def _dated(at: datetime) -> Iterator[None]:
    """What reportlab takes for now, by the variable that reproducible-builds.org defines."""
    name, before = "SOURCE_DATE_EPOCH", os.environ.get("SOURCE_DATE_EPOCH")
    os.environ[name] = str(int(at.timestamp()))
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


class _Template(BaseDocTemplate):  # type: ignore[misc]
    """Header and footer of every page, and the contents."""

    def __init__(
        self, buffer: io.BytesIO, document: Document, edition: Edition, size: tuple[float, float]
    ) -> None:
        super().__init__(
            buffer,
            pagesize=size,
            leftMargin=MARGIN,
            rightMargin=MARGIN,
            topMargin=MARGIN + 4 * mm,
            bottomMargin=MARGIN + 4 * mm,
            title=f"{document.title}, {edition.study_id}",
            author="ARC, Autonomous Research Collective",
            subject=WORDING,
            creator="ARC",
            invariant=1,
            lang="en",
        )
        self.document, self.edition = document, edition
        frame = Frame(self.leftMargin, self.bottomMargin, self.width, self.height, 0, 0, 0, 0)
        self.addPageTemplates(PageTemplate(frames=[frame], onPage=self._edge))

    def beforeDocument(self) -> None:  # noqa: N802  # reportlab's name
        """Each pass counts the headings anew."""
        self.headings = 0

    def _edge(self, canvas: Any, _: Any) -> None:
        wide, high = self.pagesize
        marks = [self.document.mark, "SIMULATED DATA" if self.edition.simulated else ""]
        canvas.saveState()
        canvas.setStrokeColor(style.RULE)
        canvas.line(MARGIN, high - HEAD - 2 * mm, wide - MARGIN, high - HEAD - 2 * mm)
        canvas.line(MARGIN, FOOT + 3.5 * mm, wide - MARGIN, FOOT + 3.5 * mm)
        canvas.setFont(style.BOLD, 8)
        canvas.setFillColor(style.INK)
        title = f"ARC · {self.document.title}   "
        canvas.drawString(MARGIN, high - HEAD, title)
        canvas.setFillColor(style.ALARM)
        across = MARGIN + canvas.stringWidth(title, style.BOLD, 8)
        canvas.drawString(across, high - HEAD, " · ".join(filter(None, marks)))
        canvas.setFont(style.PLAIN, 7)
        canvas.setFillColor(style.QUIET)
        canvas.drawRightString(
            wide - MARGIN, high - HEAD, f"{self.edition.study_id} · {self.edition.version}"
        )
        canvas.drawString(MARGIN, FOOT, WORDING)
        canvas.restoreState()

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802  # reportlab's name
        """A heading enters the contents and the reader's outline."""
        level = getattr(flowable, "arc_level", None)
        if level is None:
            return
        words, key = flowable.getPlainText(), f"section-{self.headings}"
        self.headings += 1
        self.canv.bookmarkPage(key)
        self.canv.addOutlineEntry(words, key, level)
        self.notify("TOCEntry", (level, words, self.page, key))


def _canvas_class() -> Any:
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):  # type: ignore[misc]
        """Writes `page 2 of 5` once it is known how many there are."""

        def __init__(self, *args: Any, **named: Any) -> None:
            super().__init__(*args, **named)
            self._pages: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802  # reportlab's name
            self._pages.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for page in self._pages:
                self.__dict__.update(page)
                self.setFont(style.PLAIN, 7)
                self.setFillColor(style.QUIET)
                where = self._pagesize[0] - MARGIN
                self.drawRightString(where, FOOT, f"page {self._pageNumber} of {len(self._pages)}")
                super().showPage()
            super().save()

    return Numbered


_Canvas = _canvas_class()


def _story(
    document: Document, edition: Edition, evaluations: Mapping[str, str], width: float, height: float
) -> Iterator[Flowable]:
    yield Paragraph(
        style.safe(document.title + (f" · {document.mark}" if document.mark else "")), style.TITLE
    )
    if edition.simulated:
        yield _boxed(SIMULATED, width, style.ALARM)
    yield _boxed(WORDING, width, style.INK)
    yield Spacer(1, 3 * mm)
    rows = tuple(
        (Paragraph(style.safe(name), style.CELL_BOLD), Paragraph(style.safe(words), style.CELL))
        for name, words in heading(document, edition)
    )
    yield _grid(rows, (0.16, 0.84), width, head=False)
    sources = sources_of(document)
    yield Paragraph("Contents", style.CONTENTS)
    contents = TableOfContents(
        dotsMinLevel=0, levelStyles=list(style.LEVELS), tableStyle=TableStyle(style.BARE)
    )
    yield contents
    yield Spacer(1, 4 * mm)
    for section in document.sections:
        blocks = _flowables(section.blocks, width, height)
        yield from _kept(section.title, section.level, blocks, width, height)
    if sources:
        listed = sources_in_words(sources, evaluations)
        table = Table(head=("evaluation", "of"), rows=listed, widths=HASHES)
        shown = _table(table, width) if listed else [Paragraph(style.safe(TOO_MANY), style.BODY)]
        blocks = [Paragraph(style.safe(EXPLAINED), style.BODY), *shown]
        yield from _kept(SOURCES, 1, blocks, width, height)


def _kept(title: str, level: int, blocks: list[Flowable], width: float, height: float) -> Iterator[Flowable]:
    """A heading stays with what follows it."""
    heading = Paragraph(style.safe(title), style.HEADINGS[level - 1])
    heading.arc_level = level - 1
    yield CondPageBreak(_least(blocks, width, height))
    yield heading
    yield from blocks


def _least(blocks: list[Flowable], width: float, height: float) -> float:
    """The room that a heading needs: with a picture that is never broken, and the text before it."""
    needed: float = HEADING
    for block in blocks[:2]:
        needed += block.wrap(width, height)[1]
        if getattr(block, "arc_whole", False):
            break
    else:
        return LEAST
    return float(min(needed, height))


def _flowables(blocks: tuple[Block, ...], width: float, height: float) -> list[Flowable]:
    """Narrow pictures stand side by side, two in a row."""
    found: list[Flowable] = []
    waiting: list[Picture] = []
    for block in blocks:
        if isinstance(block, Picture) and block.width <= HALF:
            waiting.append(block)
            if len(waiting) == 2:
                found += [_pictures(waiting, width, height)]
                waiting = []
            continue
        found += [_pictures(waiting, width, height)] if waiting else []
        waiting = []
        found += _block(block, width, height)
    return found + ([_pictures(waiting, width, height)] if waiting else [])


def _block(block: Block, width: float, height: float) -> list[Flowable]:
    match block:
        case Text():
            words = spaced(style.marked(word) for word in block.words)
            by_kind = {"plain": style.BODY, "note": style.NOTE, "quiet": style.SMALL}
            return [Paragraph(words, by_kind[block.kind])]
        case Table():
            return _table(block, width)
        case Picture():
            return [_pictures([block], width, height)]


def _table(table: Table, width: float) -> list[Flowable]:
    head = tuple(
        Paragraph(style.safe(name), style.HEAD_NUMBER if place in table.numbers else style.CELL_BOLD)
        for place, name in enumerate(table.head)
    )
    rows = [
        head,
        *(tuple(_cell(cell, place in table.numbers) for place, cell in enumerate(row)) for row in table.rows),
    ]
    if table.caption:
        rows.append((Paragraph(style.safe(table.caption), style.SMALL), *[""] * (len(head) - 1)))
    return [_grid(rows, table.widths, width, head=True, caption=bool(table.caption)), Spacer(1, 3 * mm)]


def _cell(cell: Cell, number: bool) -> Paragraph:
    return Paragraph("–" if cell is None else style.marked(cell), style.NUMBER if number else style.CELL)


def _grid(
    rows: Sequence[tuple[Paragraph | str, ...]],
    widths: tuple[float, ...],
    width: float,
    *,
    head: bool,
    caption: bool = False,
) -> Grid:
    """Rows break over pages, with the head repeated; one that is too tall for a page breaks within itself.

    `caption`: the last row is one, which stays with the row before it.
    """
    whole = sum(widths)
    form = {
        "colWidths": [width * share / whole for share in widths],
        "hAlign": "LEFT",
        "style": style.grid(head=head, caption=caption),
    }
    made = Grid(rows, repeatRows=1 if head else 0, **form)
    made.wrap(width, TALLEST)
    if max(made._rowHeights) < TALLEST:
        return made
    return Grid(rows, splitInRow=1, **form)  # with its head repeated it would stand there twice on a page


def _pictures(pictures: list[Picture], width: float, height: float) -> Grid:
    """One row of them, each over its caption; it is never broken over pages."""
    columns = [_picture(picture, width, height) for picture in pictures]
    widths = [width * picture.width for picture in pictures]
    row = Grid([columns], colWidths=widths, hAlign="LEFT", style=style.BARE, spaceAfter=3 * mm)
    row.arc_whole = True
    return row


def _picture(picture: Picture, width: float, height: float) -> list[Flowable]:
    image = Image(io.BytesIO(picture.content))
    across = width * picture.width - GAP
    scale = min(across / image.imageWidth, min(across * SLIMMEST, height) / image.imageHeight)
    image.drawWidth, image.drawHeight = image.imageWidth * scale, image.imageHeight * scale
    image.hAlign = "LEFT"
    caption = f"{style.safe(picture.caption)} {style.source(picture.evaluation[:8])}"
    return [image, Paragraph(caption, style.SMALL)]


def _boxed(words: str, width: float, colour: colors.Color) -> Grid:
    box = [
        ("BOX", (0, 0), (-1, -1), 0.8, colour),
        ("TOPPADDING", (0, 0), (-1, -1), 4),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
    ]
    return Grid([[Paragraph(style.safe(words), style.BOXED)]], colWidths=[width], style=box, spaceAfter=4)
