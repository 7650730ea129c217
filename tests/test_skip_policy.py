"""A skipped test is silent; in CI it must not be."""

import os
import subprocess
import sys

import pytest

from tests.conftest import ROOT

SAMPLE = """
import pytest

def test_passes(): pass
def test_lacks_a_program(): pytest.skip("chromium is not installed")
def test_lacks_a_gpu(): pytest.skip("no GPU: multi-device training")
def test_lacks_a_right(): pytest.skip("no right to mount: only root can")
@pytest.mark.skip(reason="flaky")
def test_marked(): pass
@pytest.mark.skipif(True, reason="no GPU here")
def test_marked_for_the_gpu(): pass
@pytest.mark.xfail(reason="known")
def test_known_failure(): assert False
@pytest.fixture
def server(): pytest.skip("no PostgreSQL")
def test_lacks_a_server(server): pass
"""


@pytest.fixture
def sample(tmp_path):
    (tmp_path / "conftest.py").write_text("from tests.skip_policy import *\n")
    (tmp_path / "test_sample.py").write_text(SAMPLE)
    (tmp_path / "test_module.py").write_text("import pytest\npytest.importorskip('no_such_library')\n")

    def run(**variables):
        env = {name: value for name, value in os.environ.items() if name != "ARC_CI"} | variables
        env["PYTHONPATH"] = str(ROOT)
        command = [sys.executable, "-m", "pytest", "-q", "-rA", "--continue-on-collection-errors", "."]
        return subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)

    return run


def test_outside_ci_a_skip_is_a_skip(sample):
    assert "1 passed, 7 skipped, 1 xfailed" in sample().stdout


def test_in_ci_only_what_a_machine_withholds_may_skip(sample):
    ran = sample(ARC_CI="1")
    assert ran.returncode == 1
    assert "3 skipped" in ran.stdout
    assert "1 xfailed" in ran.stdout
    for name in ("test_lacks_a_program", "test_marked", "test_lacks_a_server", "test_module.py"):
        assert any(name in line for line in ran.stdout.splitlines() if line.startswith(("FAILED", "ERROR")))
    assert "chromium is not installed" in ran.stdout
