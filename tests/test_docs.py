"""The docs name what exists, and leave nothing out."""

import re
from pathlib import Path

from arc_core.config import CONFIGS, load_config
from arc_core.settings import Settings

ROOT = Path(__file__).parent.parent
EXPERIMENTS = (ROOT / "docs" / "experiments.md").read_text()


def test_every_field_of_a_spec_is_documented():
    leaves = {path.rsplit(".", 1)[-1] for path in load_config().spec.flat() if "params" not in path}
    assert {leaf for leaf in leaves - {"task"} if leaf not in EXPERIMENTS} == set()


def test_every_config_group_and_option_is_documented():
    files = [path.relative_to(CONFIGS) for path in CONFIGS.rglob("*.yaml") if path.name != "arc.yaml"]
    assert {str(path) for path in files if path.stem not in EXPERIMENTS} == set()
    assert {path.parts[0] for path in files if f"`{path.parts[0]}`" not in EXPERIMENTS} == set()


def test_every_setting_is_in_the_example():
    example = (ROOT / ".env.example").read_text()
    assert {name for name in Settings.model_fields if f"ARC_{name.upper()}=" not in example} == set()


def test_every_link_leads_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!http)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_every_make_target_named_in_the_docs_exists():
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        assert set(re.findall(r"(?:`|^)make ([a-z]+)", page.read_text(), re.MULTILINE)) <= targets, page.name
