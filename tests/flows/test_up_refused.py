"""What `scripts/up` and `scripts/health` refuse before anything is started."""

import socket

import pytest

from tests.command import environment
from tests.conftest import ROOT
from tests.flows.test_up import run


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PREFECT_SERVER_API_AUTH_STRING": "admin:CHANGE-ME"}, "still the placeholder"),
        (
            {"PREFECT_API_URL": "http://far:4200/api", "PREFECT_API_AUTH_STRING": "admin:CHANGE-ME"},
            "placeholder",
        ),
        ({"PREFECT_SERVER_API_AUTH_STRING": "secret-alone"}, "user:password"),
        ({"PREFECT_SERVER_API_HOST": "0.0.0.0"}, "PREFECT_SERVER_API_HOST"),  # noqa: S104  # refused
        (
            {"PREFECT_SERVER_API_AUTH_STRING": "a:secret-one", "PREFECT_API_AUTH_STRING": "a:secret-two"},
            "differs from PREFECT_SERVER_API_AUTH_STRING",
        ),
        ({"ARC_INFERENCE_COMMAND": "no-such-program serve"}, "'no-such-program'"),
        ({"ARC_INFERENCE_COMMAND": "vllm 'serve"}, "ARC_INFERENCE_COMMAND"),
        ({"ARC_PREFECT_PORT": "many"}, "ARC_PREFECT_PORT"),
        ({"ARC_LEASE_S": "1"}, "ARC_LEASE_S"),
    ],
)
def test_what_would_be_open_or_can_not_run_is_refused(tmp_path, variables, words):
    for script in ("up", "health") if "ARC_INFERENCE_COMMAND" not in variables else ("up",):
        refused = run(script, environment(tmp_path / "home", **variables))
        assert refused.returncode == 2, refused.stdout + refused.stderr
        assert words in refused.stderr
        assert "secret" not in refused.stderr
        assert "Traceback" not in refused.stderr


def test_the_template_is_refused_until_its_password_is_chosen(tmp_path):
    lines = (ROOT / ".env.production").read_text().splitlines()
    template = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    env = environment(tmp_path / "home")
    assert "placeholder" in run("up", template | env).stderr


def test_a_port_on_which_any_program_listens(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        refused = run("up", environment(tmp_path / "home", ARC_PREFECT_PORT=port))
    assert refused.returncode == 2, refused.stdout + refused.stderr
    assert f"Port {port} is taken" in refused.stderr
    assert "ARC_PREFECT_PORT" in refused.stderr
    assert refused.stdout == "", "nothing was started"


@pytest.mark.parametrize("script", ["up", "health"])
def test_help_is_shown_and_starts_nothing(tmp_path, script):
    told = run(script, environment(tmp_path / "home"), "--help")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith(f"usage: scripts/{script} [-h]")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("script", ["up", "health"])
def test_an_unknown_argument_is_refused(tmp_path, script):
    refused = run(script, environment(tmp_path / "home"), "--version")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "unrecognized arguments: --version" in refused.stderr
