"""`scripts/deploy` reads its limit where everything else does: the environment, then `.env`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A checkout with the script alone; a `prefect`, and automations, that write down what they were told."""
    scripts, bin_folder = tmp_path / "scripts", tmp_path / ".venv" / "bin"
    scripts.mkdir()
    bin_folder.mkdir(parents=True)
    shutil.copy(ROOT / "scripts" / "deploy", scripts)
    for path, line in (
        (bin_folder / "python", f'exec "{sys.executable}" "$@"'),
        (bin_folder / "prefect", f'echo "$*" >> "{tmp_path}/told"'),
        (scripts / "automations", f'echo automations >> "{tmp_path}/told"'),
    ):
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)
    return tmp_path


def deploy(place: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ARC_")}
    env = kept | {"PYTHONPATH": str(ROOT)} | variables
    script = place / "scripts" / "deploy"
    return subprocess.run([script], env=env, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("variables", "dotenv", "limit"),
    [
        ({}, "", "3"),
        ({}, "ARC_MAX_CONCURRENT_JOBS=5\n", "5"),
        ({"ARC_MAX_CONCURRENT_JOBS": "2"}, "ARC_MAX_CONCURRENT_JOBS=5\n", "2"),
    ],
)
def test_the_limit_is_that_of_the_settings(place, variables, dotenv, limit):
    (place / ".env").write_text(dotenv)
    done = deploy(place, **variables)
    assert done.returncode == 0, done.stderr
    told = (place / "told").read_text().splitlines()
    assert f"work-pool set-concurrency-limit arc-gpu {limit}" in told
    assert f"concurrency-limit create gpu {limit}" in told


def test_a_bad_limit_changes_nothing_on_the_server(place):
    (place / ".env").write_text("ARC_MAX_CONCURRENT_JOBS=many\n")
    done = deploy(place)
    assert done.returncode != 0
    assert "ARC_MAX_CONCURRENT_JOBS" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (place / "told").exists()
