"""A document's blocks as reportlab's flowables: text, tables that fit, pictures."""

import io
from collections.abc import Sequence

from reportlab.lib import colors
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import Flowable, Image, Paragraph, Spacer
from reportlab.platypus import Table as Grid

from arc_core.dossier import pdf_style as style
from arc_core.dossier.document import Block, Cell, Picture, Table, Text, spaced
from arc_core.dossier.intended_use import NOT_PROVIDED
from arc_core.report.summary import printable

TALLEST = 150 * mm
"""Of a row that is kept whole."""
SLIMMEST = 1.1
"""Most height of a picture over the width that it is given."""
HALF = 0.5
"""The width up to which two pictures share a row."""
GAP = 3 * mm
LEAST: float = 30 * mm
"""Room that there must be for a heading and the first of what follows."""
HEADING: float = 12 * mm


def flowables(blocks: tuple[Block, ...], width: float, height: float) -> list[Flowable]:
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


def least(blocks: list[Flowable], width: float, height: float) -> float:
    """The room that a heading needs: with a picture that is never broken, and the text before it."""
    needed = HEADING
    for block in blocks[:2]:
        needed += block.wrap(width, height)[1]
        if getattr(block, "arc_whole", False):
            return float(min(needed, height))
    return LEAST


def _block(block: Block, width: float, height: float) -> list[Flowable]:
    match block:
        case Text():
            words = spaced(style.marked(word) for word in block.words)
            by_kind = {"plain": style.BODY, "note": style.NOTE, "quiet": style.SMALL}
            return [Paragraph(words, by_kind[block.kind])]
        case Table():
            return table(block, width)
        case Picture():
            return [_pictures([block], width, height)]


def table(shown: Table, width: float) -> list[Flowable]:
    head = tuple(
        Paragraph(style.safe(name), style.HEAD_NUMBER if place in shown.numbers else style.CELL_BOLD)
        for place, name in enumerate(shown.head)
    )
    rows = [
        head,
        *(tuple(_cell(cell, place in shown.numbers) for place, cell in enumerate(row)) for row in shown.rows),
    ]
    if shown.caption:
        rows.append((Paragraph(style.safe(shown.caption), style.SMALL), *[""] * (len(head) - 1)))
    return [
        grid(rows, fitting(shown, width), width, head=True, caption=bool(shown.caption)),
        Spacer(1, 3 * mm),
    ]


def fitting(shown: Table, width: float) -> tuple[float, ...]:
    """The columns' shares of the width, changed where the longest word of one would be broken otherwise.

    It takes from columns that have room to spare. What fits nowhere, such as a hash beside much else, is
    broken.
    """
    shares = [share / sum(shown.widths) for share in shown.widths]
    spare = [share - need / width for share, need in zip(shares, _needs(shown), strict=True)]
    room, lacks = sum(each for each in spare if each > 0), 0.0
    for place in sorted((place for place, each in enumerate(spare) if each < 0), key=lambda at: -spare[at]):
        if lacks - spare[place] > room:
            break
        lacks -= spare[place]
        shares[place] -= spare[place]
    return tuple(
        share - (lacks * each / room if each > 0 else 0) for share, each in zip(shares, spare, strict=True)
    )


def _needs(shown: Table) -> list[float]:
    """What the longest word of each column takes."""
    found = [max(_wide(word, style.CELL_BOLD) for word in [*name.split(), ""]) for name in shown.head]
    for row in shown.rows:
        for place, cell in enumerate(row):
            said = "" if cell is None else printable(cell if isinstance(cell, str) else cell.number)
            found[place] = max(found[place], *(_wide(word, style.CELL) for word in said.split(" ")))
    return [each + style.PADDING for each in found]


def _wide(word: str, by: ParagraphStyle) -> float:
    font = style.BOLD if word in NOT_PROVIDED.split() else by.fontName
    return float(stringWidth(word, font, by.fontSize))


def _cell(cell: Cell, number: bool) -> Paragraph:
    return Paragraph("–" if cell is None else style.marked(cell), style.NUMBER if number else style.CELL)


def grid(
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


def boxed(words: str, width: float, colour: colors.Color) -> Grid:
    box = [
        ("BOX", (0, 0), (-1, -1), 0.8, colour),
        ("TOPPADDING", (0, 0), (-1, -1), 4),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 5),
    ]
    return Grid([[Paragraph(style.safe(words), style.BOXED)]], colWidths=[width], style=box, spaceAfter=4)
