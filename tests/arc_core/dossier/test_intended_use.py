"""What a person says: read as written, refused where it can't be, told to the ledger, and never filled in."""

import pytest

from arc_core.dossier.documents.gap_report import gaps_of
from arc_core.dossier.intended_use import (
    NOT_PROVIDED,
    IntendedUse,
    declare,
    questions,
    read_intended_use,
    template,
)
from arc_core.errors import ConfigError


@pytest.fixture
def file(tmp_path):
    return tmp_path / "intended_use.yaml"


def test_the_template_asks_everything_and_answers_nothing(file):
    file.write_text(template())
    use = read_intended_use(file)
    assert use == IntendedUse()
    assert all(use.answer(question.path) == NOT_PROVIDED for question in questions())
    assert all(f"# {question.words} ({question.guidance_version})" in template() for question in questions())


def test_answers_stay_the_text_that_was_written(file):
    file.write_text(
        "declared_by: Ada Example\ndata:\n  collection_dates: 2020-01-01\n  sites: 3\ndevice:\n"
        "  name: ' yes '\n  inputs: |\n    a\n    b\nlifecycle:\n"
    )
    use = read_intended_use(file)
    assert (use.data.collection_dates, use.data.sites, use.device.name) == ("2020-01-01", "3", "yes")
    assert use.device.inputs == "a\nb"
    assert use.answer("declared_by") == "Ada Example"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("device:\n  nam: x\n", r"device\.nam: no such field"),
        ("device:\n  name: [a, b]\n", r"device\.name.*expected text"),
        ("- a\n", "it holds no fields"),
        ("device: {\n", "line 2: it is no YAML"),
        (b"\xff\xfe", "it can't be read"),
        (None, "it can't be read"),
    ],
)
def test_what_can_not_be_read_is_named(file, content, words):
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=words):
        read_intended_use(file)


def test_it_is_declared_once_and_again_where_it_changed(memory):
    use = IntendedUse(declared_by="Ada Example")
    for said in (use, use, use.model_copy(update={"declared_by": "Bo Example"})):
        declare(memory.ledger, said)
    events = [entry.event for entry in memory.ledger.entries(kind="intended_use.declared")]
    assert [event.actor.name for event in events] == ["Ada Example", "Bo Example"]
    assert events[0].outputs == {"intended_use": use.sha256}
    assert events[0].facts["given"] == ["declared_by"]


def test_every_empty_field_is_a_gap_and_no_other(gathered):
    fields = {question.path for question in questions()}
    assert fields <= {gap.field for gap in gaps_of(gathered())}
    use = IntendedUse.model_validate({"device": {"name": "ARC"}, "declared_by": "Ada"})
    left = {gap.field for gap in gaps_of(gathered(use))}
    assert fields - left == {"device.name", "declared_by"}
