"""`make audit` says what is known to be vulnerable, and says so where nobody could be asked."""

import json
import runpy
import subprocess
from types import SimpleNamespace

import pytest

from tests.conftest import ROOT

FAULT = {"id": "PYSEC-1", "fix_versions": ["1.1"], "aliases": [], "description": ""}
SOUND = {"name": "sound", "version": "2.0", "vulns": []}
FAULTY = {"name": "faulty", "version": "1.0", "vulns": [FAULT]}
SKIPPED = {"name": "skipped", "skip_reason": "Dependency not found on PyPI"}
NOT_DONE = "audit: not done: "


def audited(monkeypatch, *, out: str = "", err: str = "", fails: Exception | None = None) -> int:
    def run(command, **_):
        assert str(ROOT / "requirements.lock") in command
        if fails:
            raise fails
        return SimpleNamespace(stdout=out, stderr=err)

    script = runpy.run_path(str(ROOT / "scripts" / "audit"))
    monkeypatch.setattr(subprocess, "run", run)
    return script["main"]()


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        ([SOUND], 0, "audit: 0 known vulnerabilities in 1 packages\n"),
        ([SOUND, FAULTY], 1, "audit: faulty 1.0: PYSEC-1, mended in 1.1\n"),
        ([SOUND, SKIPPED], 0, "audit: not done for 1, of which the database knows nothing: skipped\n"),
        ([SKIPPED, SKIPPED], 0, f"{NOT_DONE}no database answers for any of the 2 packages\n"),
    ],
)
def test_what_was_found_is_told(monkeypatch, capsys, found, code, said):
    assert audited(monkeypatch, out=json.dumps({"dependencies": found, "fixes": []})) == code
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"err": "warning\nERROR: no connection\n"}, "ERROR: no connection"),
        ({"fails": subprocess.TimeoutExpired("uv", 300)}, "timed out"),
        ({"fails": FileNotFoundError(2, "no uv")}, "no uv"),
        ({"out": "{}"}, "pip-audit said nothing"),
    ],
)
def test_an_audit_that_could_not_be_done_fails_nothing_and_says_so(monkeypatch, capsys, how, why):
    assert audited(monkeypatch, **how) == 0
    said = capsys.readouterr().out
    assert said.startswith(NOT_DONE)
    assert why in said
