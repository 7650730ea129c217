"""What a proposal says can't become markup, a link or a picture in the form that asks a person."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from arc_core.report.question import Item, about, on_experiments, plain
from tests.arc_core.report.test_cycle_report import HOSTILE
from tests.contracts.records import SPEC, decision, proposal

UNTIL = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
GITHUB = MarkdownIt("gfm-like", {"html": True, "linkify": False})


def tags(markdown: str) -> set[str]:
    tokens = [t for token in GITHUB.parse(markdown) for t in (token, *(token.children or ()))]
    return {t.type for t in tokens if t.type not in ("text", "text_special", "inline")}


@given(st.text())
def test_any_text_is_shown_letter_by_letter(text):
    words = plain("x" + text)
    assert tags(words) == {"paragraph_open", "paragraph_close"}
    assert not any(start in words for start in ("http://", "https://", "www.", "mailto:"))


def test_a_hostile_proposal_stays_text():
    hostile = proposal(1).model_copy(
        update={"name": HOSTILE, "hypothesis": HOSTILE, "justification": HOSTILE, "mind": HOSTILE}
    )
    vetoed = decision("prop-1").model_copy(update={"reason": HOSTILE})
    item = Item(proposal=hostile, decision=vetoed, parent=SPEC)
    for text in (
        about(item, (), "mean_dice"),
        on_experiments([item], [(hostile, vetoed)], UNTIL, [HOSTILE]),
    ):
        assert not tags(text) & {
            "link_open",
            "image",
            "html_inline",
            "html_block",
            "code_inline",
            "heading_open",
        }


def test_the_question_says_what_is_needed_to_decide():
    item = Item(proposal=proposal(1), decision=decision("prop-1"), parent=SPEC)
    said = about(item, (), "mean_dice")
    for part in (
        "another seed",
        "seed 0 → **1**",
        "mean Dice:** none",
        "about 1 s, 1 MiB",
        "architect",
        "noise",
    ):
        assert part in said
    assert "02 January 2026, 03:04 UTC** all of it is rejected" in on_experiments([item], [], UNTIL, [])
