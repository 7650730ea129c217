"""An answer is read as a record wherever it stands, and refused with its faults where it is none."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

from arc_core.llm.answer import LONGEST, Unfit, parsed


class Asked(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False)
    name: str
    value: float


GOOD = '{"name": "a", "value": 0.5}'


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"Sure!\n```json\n{GOOD}\n```",
        f"{{no}} but {GOOD} {{",
        f'{{"other": 1}} then {GOOD}',
        f"[{GOOD}]",
    ],
)
def test_the_object_is_found(text):
    assert parsed(text, Asked) == Asked(name="a", value=0.5)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("no object here", "no JSON object"),
        ("[1, 2]", "no JSON object"),
        ('{"name": "a", "value": NaN}', "no JSON object"),
        ('{"name": "a", "value": 1e999}', "value: Input should be a finite number"),
        ('{"name": "a"}', "value: Field required"),
        ("x" * (LONGEST + 1), "at most 100,000"),
        ('{"a":' * 15_000, "no JSON object"),
        ("{" * 60_000, "no JSON object"),
    ],
)
def test_what_is_wrong_is_said(text, says):
    with pytest.raises(Unfit, match=says):
        parsed(text, Asked)


@given(st.text(max_size=300))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(Unfit):
        parsed(text, Asked)


@given(st.text(alphabet=st.characters(exclude_characters='{}[]"'), max_size=50), st.floats(-1e9, 1e9))
def test_prose_around_an_object_does_not_hide_it(prose, value):
    text = f"{prose}{json.dumps({'name': prose, 'value': value})}{prose}"
    assert parsed(text, Asked).value == value
