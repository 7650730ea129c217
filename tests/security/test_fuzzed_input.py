"""Whatever labels, specs and overrides come in: ARC's own errors come out, or what was meant."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arc_core.config import load_config
from arc_core.data.columns import COLUMNS
from arc_core.data.faults import Faults
from arc_core.data.labels import read_labels
from arc_core.errors import ArcError, DatasetError, SpecError
from arc_core.experiments.spec import parse_spec
from arc_core.settings import load_settings
from tests.contracts.records import SPEC
from tests.security.strategies import AGAIN, TREES

LINES = st.lists(
    st.sampled_from(["a", "b", "0", "1", ",", '"', "\n", "\r\n", "\0", ";", " ", "é", "x" * 140_000])
)


@settings(AGAIN, max_examples=200)
@given(
    head=st.sampled_from(
        ["", "image_id,label\n", "image_id,label,patient_id,site\n", COLUMNS, "\ufeffimage_id,label\n"]
    ),
    rest=st.one_of(st.binary(max_size=60), LINES.map(lambda parts: "".join(parts).encode())),
)
def test_labels(tmp_path, head, rest):
    path = tmp_path / "labels.csv"
    path.write_bytes(head.encode() + rest)
    try:
        faults = Faults(tmp_path)
        rows = read_labels(path, faults).rows
        faults.end()
    except DatasetError as error:
        assert str(path) in str(error)
        assert error.cure
    else:
        assert all(row.label in (0, 1) and row.image_id for row in rows.values())


PATHS = sorted(
    {*SPEC.flat(), "loss", "architecture", "loss.params", "nowhere", "loss.params.gamma", "a..b", ""}
)


@settings(AGAIN, max_examples=200)
@given(tree=TREES, path=st.sampled_from(PATHS), key=st.text(max_size=5), value=TREES)
def test_specs(tree, path, key, value):
    whole = SPEC.model_dump(mode="json")
    for attempt in (
        lambda: parse_spec(tree),
        lambda: parse_spec(whole | {key: value}),
        lambda: SPEC.changed({path: value}),
        lambda: SPEC.changed({key: value}),
    ):
        try:
            made = attempt()
        except SpecError as error:
            assert len(str(error)) < 2000
        else:
            assert parse_spec(json.loads(made.model_dump_json())).id == made.id


OVERRIDES = st.one_of(
    st.text(max_size=20),
    st.builds(
        "{}={}".format,
        st.sampled_from(
            [
                "spec.epochs",
                "model",
                "data.path",
                "llm.default.base_url",
                "space.axes",
                "loss",
                "++x",
                "~spec",
            ]
        ),
        st.one_of(
            st.text(max_size=12),
            st.sampled_from(["../../x", "${oc.env:HOME}", "[", "{a:{b:1}}", "http://u:p@h"]),
        ),
    ),
)


@settings(AGAIN, max_examples=25)
@given(override=OVERRIDES)
def test_overrides(override):
    with suppress(ArcError):
        load_config([override], settings=load_settings())


def test_an_override_reads_no_variable_of_the_machine(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "canary-of-the-environment")
    with pytest.raises(ArcError, match="let the shell put it in") as refused:
        load_config(["data.path=${oc.env:OPENAI_API_KEY}"], settings=load_settings())
    assert "canary-of-the-environment" not in str(refused.value)
