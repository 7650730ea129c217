"""How the PDFs look: one typeface, few sizes, and colour only where something is missing or simulated."""

from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle

from arc_core.dossier.figure import Figure
from arc_core.dossier.intended_use import NOT_PROVIDED
from arc_core.report.summary import printable

PLAIN, BOLD, ITALIC = "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique"
INK, QUIET, RULE, ALARM = HexColor("#1f2933"), HexColor("#5f6b76"), HexColor("#ced4da"), HexColor("#b02a37")
HEAD_FILL = HexColor("#eef1f4")


@cache
def register() -> None:
    """The fonts that matplotlib brings: they have the signs of the documents, and may be embedded."""
    import matplotlib
    from reportlab.pdfbase.pdfmetrics import registerFont, registerFontFamily
    from reportlab.pdfbase.ttfonts import TTFont

    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    for name in (PLAIN, BOLD, ITALIC):
        registerFont(TTFont(name, folder / f"{name}.ttf"))
    registerFontFamily(PLAIN, normal=PLAIN, bold=BOLD, italic=ITALIC, boldItalic=BOLD)


def _style(name: str, size: float, **more: object) -> ParagraphStyle:
    given = {"fontName": PLAIN, "fontSize": size, "leading": size * 1.35, "textColor": INK} | more
    return ParagraphStyle(name, **given)


TITLE = _style("title", 19, fontName=BOLD, spaceAfter=8)
HEADINGS = (
    _style("heading", 12.5, fontName=BOLD, spaceBefore=9, spaceAfter=4),
    _style("subheading", 10, fontName=BOLD, spaceBefore=6, spaceAfter=3),
)
CONTENTS = _style("contents", 10, fontName=BOLD, spaceBefore=10, spaceAfter=2)
LEVELS = (_style("toc", 8.5, leading=13), _style("toc within", 8, leading=12, leftIndent=12))
BODY = _style("body", 8.8, spaceAfter=5)
NOTE = _style(
    "note",
    8.8,
    spaceAfter=6,
    leftIndent=6,
    rightIndent=6,
    borderPadding=(3, 6, 4, 6),
    backColor=HEAD_FILL,
    spaceBefore=4,
)
SMALL = _style("small", 7.4, textColor=QUIET, spaceBefore=2, spaceAfter=3)
BOXED = _style("boxed", 8.8, fontName=BOLD)
CELL = _style("cell", 7.6)
CELL_BOLD = _style("cell bold", 7.6, fontName=BOLD)
NUMBER = _style("number", 7.6, alignment=TA_RIGHT)
HEAD_NUMBER = _style("head number", 7.6, fontName=BOLD, alignment=TA_RIGHT)

SIDE = 4
"""Between the edge of a table's cell and its text."""
PADDING = 2 * SIDE + 0.5  # and what rounding takes
BARE = [
    ("VALIGN", (0, 0), (-1, -1), "TOP"),
    *((f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")),
]


def grid(*, head: bool, caption: bool) -> list[tuple[object, ...]]:
    """Of a table with a head in its first row, and a caption in its last."""
    end = (-1, -2 if caption else -1)
    made: list[tuple[object, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), end, 0.4, RULE),
        ("LEFTPADDING", (0, 0), (-1, -1), SIDE),
        ("RIGHTPADDING", (0, 0), (-1, -1), SIDE),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
    ]
    if head:
        made += [("BACKGROUND", (0, 0), (-1, 0), HEAD_FILL), ("LINEBELOW", (0, 0), (-1, 0), 0.8, QUIET)]
    if caption:
        made += [
            ("SPAN", (0, -1), (-1, -1)),
            ("NOSPLIT", (0, -2), (-1, -1)),
            ("LEFTPADDING", (0, -1), (-1, -1), 0),
        ]
    return made


def safe(text: str) -> str:
    """Text of records and people, of which nothing becomes markup."""
    return escape(printable(text)).replace(
        NOT_PROVIDED, f'<font name="{BOLD}" color="{_hex(ALARM)}">{NOT_PROVIDED}</font>'
    )


def marked(word: str | Figure) -> str:
    """A number with its source small behind it; text as `safe` has it."""
    if isinstance(word, str):
        return safe(word)
    return f"{escape(word.number)} {source(word.source)}"


def source(digits: str) -> str:
    return f'<font size="5.8" color="{_hex(QUIET)}">({escape(digits)})</font>'


def _hex(colour: HexColor) -> str:
    return f"#{colour.hexval()[2:]}"
