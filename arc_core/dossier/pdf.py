"""A document as a PDF that one would hand in: title, version, contents, numbered pages, tables that fit.

The same document gives the same bytes: the date in the file is that of the ledger's last event.
"""

import io
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from reportlab.lib.pagesizes import landscape, letter
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    CondPageBreak,
    Flowable,
    Frame,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)
from reportlab.platypus.tableofcontents import TableOfContents

from arc_core.dossier import pdf_style as style
from arc_core.dossier.document import SIMULATED, WORDING, Document, Table
from arc_core.dossier.edition import Edition
from arc_core.dossier.markdown import (
    EXPLAINED,
    SOURCES,
    TOO_MANY,
    heading,
    sources_in_words,
    sources_of,
)
from arc_core.dossier.pdf_blocks import boxed, flowables, grid, least, table

MARGIN = 18 * mm
HEAD, FOOT = 12 * mm, 14 * mm
"""Of the header's line from the top of the page, and of the footer's from its end."""
HASHES = (0.66, 0.34)


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


class _Canvas(Canvas):  # type: ignore[misc]
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


def _story(
    document: Document, edition: Edition, evaluations: Mapping[str, str], width: float, height: float
) -> Iterator[Flowable]:
    yield Paragraph(
        style.safe(document.title + (f" · {document.mark}" if document.mark else "")), style.TITLE
    )
    if edition.simulated:
        yield boxed(SIMULATED, width, style.ALARM)
    yield boxed(WORDING, width, style.INK)
    yield Spacer(1, 3 * mm)
    rows = tuple(
        (Paragraph(style.safe(name), style.CELL_BOLD), Paragraph(style.safe(words), style.CELL))
        for name, words in heading(document, edition)
    )
    yield grid(rows, (0.16, 0.84), width, head=False)
    sources = sources_of(document)
    yield Paragraph("Contents", style.CONTENTS)
    contents = TableOfContents(
        dotsMinLevel=0, levelStyles=list(style.LEVELS), tableStyle=TableStyle(style.BARE)
    )
    yield contents
    yield Spacer(1, 4 * mm)
    for section in document.sections:
        blocks = flowables(section.blocks, width, height)
        yield from _kept(section.title, section.level, blocks, width, height)
    if sources:
        listed = sources_in_words(sources, evaluations)
        listing = Table(head=("evaluation", "of"), rows=listed, widths=HASHES)
        shown = table(listing, width) if listed else [Paragraph(style.safe(TOO_MANY), style.BODY)]
        blocks = [Paragraph(style.safe(EXPLAINED), style.BODY), *shown]
        yield from _kept(SOURCES, 1, blocks, width, height)


def _kept(title: str, level: int, blocks: list[Flowable], width: float, height: float) -> Iterator[Flowable]:
    """A heading stays with what follows it."""
    heading = Paragraph(style.safe(title), style.HEADINGS[level - 1])
    heading.arc_level = level - 1
    yield CondPageBreak(least(blocks, width, height))
    yield heading
    yield from blocks
