"""The PDFs as a reader opens them: what stands on every page, tables that fit, the same bytes again."""

import pypdfium2
import pytest

from arc_core.dossier.document import WORDING, Document, Picture, Section, Table, fields, text
from arc_core.dossier.edition import edition_of
from arc_core.dossier.export import DOCUMENTS
from arc_core.dossier.figure import Figure
from arc_core.dossier.pdf import pdf_of


def pages_of(pdf: bytes) -> list[str]:
    with pypdfium2.PdfDocument(pdf) as opened:
        return [page.get_textpage().get_text_bounded() for page in opened]


@pytest.fixture
def facts(gathered):
    return gathered()


@pytest.mark.parametrize("place", range(len(DOCUMENTS)))
def test_every_page_says_what_it_is(facts, place):
    document = DOCUMENTS[place](facts)
    pages = pages_of(pdf_of(document, edition_of(facts), facts.evaluations.known))
    assert document.title in pages[0]
    assert "Contents" in pages[0]
    for number, page in enumerate(pages, 1):
        assert WORDING in " ".join(page.split())
        assert "SIMULATED DATA" in page
        assert facts.history.last.hash[:12] in page
        assert f"page {number} of {len(pages)}" in page
    for section in document.sections:
        assert any(section.title in page for page in pages[:1]), "it is not in the contents"


@pytest.mark.parametrize("place", range(len(DOCUMENTS)))
def test_no_word_of_a_table_is_broken_but_a_hash(facts, place):
    document = DOCUMENTS[place](facts)
    whole = "\n".join(pages_of(pdf_of(document, edition_of(facts), facts.evaluations.known)))
    cells = [
        cell
        for block in document.blocks()
        if isinstance(block, Table)
        for row in (block.head, *block.rows)
        for cell in row
        if isinstance(cell, str)
    ]
    broken = {word for cell in cells for word in cell.split() if len(word) <= 40 and word not in whole}
    assert not broken
    assert "`" not in whole


def test_a_word_takes_the_room_that_other_columns_have_to_spare(facts):
    word = "reference_standard.adjudication.and.more"
    table = Table(head=("field", "what"), rows=((word, "short"),), widths=(0.1, 0.9))
    assert word in pages_of(pdf_of(made(table), edition_of(facts), {}))[0]


def made(*blocks) -> Document:
    return Document(
        name="made", title="Made", follows="nothing", sections=(Section(title="One", blocks=blocks),)
    )


def test_the_same_document_is_the_same_file(facts):
    document = DOCUMENTS[0](facts)
    one, other = (pdf_of(document, edition_of(facts), {}) for _ in range(2))
    assert one == other


def test_nothing_is_lost_of_a_table_with_any_text(facts):
    """Long words, more text than fits a page, markup, and more rows than a page has."""
    long = " ".join(f"word{number}" for number in range(2000))
    rows = (("x" * 300, long), ("<b>&amp;</b>", "*|*"), *((f"row {number}", "y") for number in range(150)))
    pages = pages_of(pdf_of(made(fields(rows)), edition_of(facts), {}))
    whole = "".join("".join(pages).split())
    assert whole.count("x") >= 300
    assert all(f"word{number}" in whole for number in range(2000))
    assert "<b>&amp;</b>" in whole
    assert "row149" in whole


def test_text_stays_within_the_page(facts):
    table = Table(head=("a", "b", "c"), rows=(("x" * 200, "y" * 200, "z"),), widths=(0.2, 0.2, 0.6))
    with pypdfium2.PdfDocument(pdf_of(made(table), edition_of(facts), {})) as opened:
        for page in opened:
            width, height = page.get_size()
            words = page.get_textpage()
            for place in range(words.count_rects()):
                left, bottom, right, top = words.get_rect(place)
                assert 0 <= left <= right <= width
                assert 0 <= bottom <= top <= height


def test_evaluations_are_listed_or_said_to_be_too_many(facts):
    def listing(count: int) -> str:
        hashes = {f"{number:064x}": f"exp-{number}" for number in range(count)}
        figures = [Figure(name="AUC", value=0.5, evaluation=sha256) for sha256 in hashes]
        return " ".join(" ".join(pages_of(pdf_of(made(text(*figures)), edition_of(facts), hashes))).split())

    assert f"{1:064x}" in listing(2)
    assert "experiments.csv has their hashes in full" in listing(40)


def test_a_picture_names_its_evaluation(facts):
    content = DOCUMENTS[6](facts)
    picture = next(block for block in content.blocks() if isinstance(block, Picture))
    pages = pages_of(pdf_of(made(picture), edition_of(facts), {picture.evaluation: "exp-1"}))
    assert picture.evaluation[:8] in pages[0]
