"""The docs name what exists, and leave nothing out."""

import re
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any, get_args

import pytest
from pydantic.fields import FieldInfo

from arc_core.config import CONFIGS, ArcConfig, load_config
from arc_core.experiments.result import Verdict
from arc_core.record import Record
from arc_core.settings import Settings
from tests.arc_core.agents.study import BASELINE, brief

ROOT = Path(__file__).parent.parent
EXPERIMENTS = (ROOT / "docs" / "experiments.md").read_text()
SECTIONS = EXPERIMENTS.partition("## The other sections")[2].partition("##")[0]


def test_every_field_of_a_spec_is_documented():
    leaves = {path.rsplit(".", 1)[-1] for path in load_config().spec.flat() if "params" not in path}
    assert {leaf for leaf in leaves - {"task"} if leaf not in EXPERIMENTS} == set()


def keys_of(section: type[Record], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key of a section and of those in it, with its dots; a spec's are looked at above."""
    for name, field in section.model_fields.items():
        kind = field.annotation
        if prefix + name == "spec":
            continue
        if isinstance(kind, type) and issubclass(kind, Record):
            yield from keys_of(kind, f"{prefix}{name}.")
        else:
            yield prefix + name, field


KEYS = dict(keys_of(ArcConfig))


@pytest.mark.parametrize("key", list(KEYS))
def test_every_key_is_documented_with_its_range(key):
    field = KEYS[key]
    (row,) = re.findall(rf"^\| `{re.escape(key)}` \|.*$", SECTIONS, re.MULTILINE)
    bounds = {name: getattr(m, name) for m in field.metadata for name in ("ge", "le") if hasattr(m, name)}
    if {"ge", "le"} <= bounds.keys():
        assert f"| {bounds['ge']}–{bounds['le']} |" in row
    elif "ge" in bounds:
        assert f"| from {bounds['ge']}" in row


def test_every_verdict_is_documented():
    for outcome in get_args(Verdict.model_fields["outcome"].annotation):
        assert re.search(rf"^\| `{outcome}` \|", EXPERIMENTS, re.MULTILINE), outcome


def test_the_documented_agent_proposes():
    (source,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "extend.md").read_text(), re.DOTALL)
    written: dict[str, Any] = {}
    exec(dedent(source), written)  # noqa: S102  # the page's own words
    first, second, *_ = written["MIND"].answer(brief()).proposals
    assert (first.name, second.changes) == ("baseline", {"epochs": 2 * BASELINE.epochs})


def test_every_config_group_and_option_is_documented():
    files = [path.relative_to(CONFIGS) for path in CONFIGS.rglob("*.yaml") if path.name != "arc.yaml"]
    assert {str(path) for path in files if path.stem not in EXPERIMENTS} == set()
    assert {path.parts[0] for path in files if f"`{path.parts[0]}`" not in EXPERIMENTS} == set()


def test_every_setting_is_in_the_example():
    example = (ROOT / ".env.example").read_text()
    listed = {name.split("__")[0] for name in re.findall(r"ARC_\w+(?==)", example)}
    assert {f"ARC_{name.upper()}" for name in Settings.model_fields} - listed == set()


def test_every_link_leads_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_make_target_named_in_the_docs_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        assert set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)) <= targets, page.name
