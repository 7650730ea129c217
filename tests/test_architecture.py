"""What the house rules promise of the code itself. The import contracts stand in pyproject.toml."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

PRODUCTION = sorted(path for part in ("arc_core", "flows", "tasks") for path in (ROOT / part).rglob("*.py"))
HEAVY = ("torch", "lightning", "monai", "litellm", "deepspeed", "s3fs", "aiobotocore")
HOMELESS = ("utils", "util", "common", "helpers", "base", "manager", "handler", "misc")


def test_the_import_contracts_are_kept():
    lint_imports = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


def test_importing_the_flows_loads_no_heavy_library():
    code = "import sys, flows.cycle, flows.train, flows.command_line; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not set(HEAVY) & {name.split(".")[0] for name in ran.stdout.split()}


@pytest.mark.parametrize("path", PRODUCTION, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_stays_readable(path):
    assert path.stem.lower() not in HOMELESS, "a homeless function is a missing noun"
    assert len(path.read_text().splitlines()) <= 300, "split it: one module, one noun"


def test_the_inventory_alone_names_pynvml():
    assert [str(path.relative_to(ROOT)) for path in PRODUCTION if "pynvml" in _imported(path)] == [
        "arc_core/gpu/inventory.py"
    ]


def test_every_import_is_absolute():
    relative = [
        str(path.relative_to(ROOT))
        for path in PRODUCTION
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def _imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module.split(".")[0])
    return names
