"""A page of the report: one HTML file that asks for nothing, obeys a strict policy and escapes all text."""

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from arc_core.report.summary import printable

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"
# What Prefect's renderer makes a link of without being asked: addresses of the web and of mail.
_LINKED = re.compile(r"(:(?=//)|(?<=www)\.|@)", re.IGNORECASE)
# Between brackets that no backslash takes the meaning from: in text from records they all have one.
_SHOWN = re.compile(r"(?<=[^\\]\]\()data:image/(?:png|jpeg);base64,[A-Za-z0-9+/=]+(?=\))")


class Picture(str):
    """A `data:` address that ARC made itself; no other text goes into the report as it is."""


def inline(picture: bytes | None) -> Picture | None:
    """A picture, PNG or JPEG, as an address."""
    if not picture:
        return None
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return Picture(f"data:image/{kind};base64,{base64.b64encode(picture).decode()}")


def markdown(template: str, **told: Any) -> str:
    """A template of Markdown, filled in; text from records stays text."""
    return _of_markdown().get_template(template).render(told)


def html_of(text: str) -> Markup:
    """Markdown as HTML, without any markup of its own but ARC's pictures."""
    from markdown_it import MarkdownIt

    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    # The renderer needs a second for a megabyte of picture, so each waits outside under its number.
    pictures = _SHOWN.findall(text)
    numbers = map(str, range(len(pictures)))
    renderer.validateLink = lambda url: url.isdecimal()  # type: ignore[method-assign]
    html = renderer.render(_SHOWN.sub(lambda _: next(numbers), text))
    html = re.sub(r'(?<=<img src=")\d+(?=")', lambda found: pictures[int(found[0])], html)
    # In the text of the page both are escaped, so these are the renderer's own.
    html = html.replace(' style="text-align:right"', ' class="number"')
    html = html.replace("<table>", '<div class="wide"><table>').replace("</table>", "</table></div>")
    return Markup(html)  # noqa: S704  # rendered with html switched off


def page_of(template: str, *, title: str, script: str = "", **told: Any) -> bytes:
    """A template of HTML, filled in. Its style and `script` are the only ones that the page lets run."""
    style = (TEMPLATES / "page.css").read_text()
    runs = _hash(script) if script else "'none'"
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; script-src {runs}; "
        "base-uri 'none'; form-action 'none'"
    )
    own = {"style": Markup(style), "script": Markup(script), "policy": policy}  # noqa: S704  # ARC's files
    return _of_html().get_template(template).render(told, title=title, **own).encode()


def fragment(template: str, **told: Any) -> Markup:
    """A template of HTML that is a part of a page, filled in; text from records stays text."""
    return Markup(_of_html().get_template(template).render(told))  # noqa: S704  # escaped as it was filled in


@cache
def _of_markdown() -> "Environment":
    """Not HTML: the Markdown renderers that show it escape it themselves. Compiles each template once."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(  # noqa: S701
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined, finalize=_cell
    )


@cache
def _of_html() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        finalize=_line,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _cell(value: Any) -> Any:
    """Text from records must not break a table, nor become markup."""
    if not isinstance(value, str) or isinstance(value, Picture):
        return value
    text = _LINKED.sub(r"\\\1", re.sub(r"([\\`*\[\]|])", r"\\\1", printable(value)))
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _line(value: Any) -> Any:
    """Jinja escapes it; what is left are characters that turn or hide what follows."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value
