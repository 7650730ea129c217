"""The log: what a line holds, that no secret is in it, and that many processes may write and rotate it."""

import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.logging.configuration import DEFAULT_LOGGING_SETTINGS_PATH

from arc_core.logs import NAME, LogFile, SecretFilter, about, redaction
from arc_core.settings import load_settings
from tests.conftest import ROOT

SECRETS = {
    "OPENAI_API_KEY": "looks-like-a-word",
    "ARC_LLM_API_KEY": 'odd "quotes" and \\ in it',
    "ARC_DATABASE_URL": "postgresql://arc:p%40ss-word@db/arc",
    "PREFECT_API_DATABASE_CONNECTION_URL": "postgresql+asyncpg://prefect:another-one@db/prefect",
    "PREFECT_SERVER_API_AUTH_STRING": "admin:hunter22-hunter22",
}
VALUES = (
    "looks-like-a-word",
    'odd "quotes" and \\ in it',
    "p%40ss-word",
    "p@ss-word",
    "another-one",
    "hunter22-hunter22",
    "YWRtaW46aHVudGVyMjItaHVudGVyMjI=",  # as HTTP sends the line above
)


@pytest.fixture
def secrets(arc_home, monkeypatch):
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    redaction.cache_clear()
    yield
    redaction.cache_clear()


@pytest.fixture
def logger(arc_home, secrets):
    """A logger of its own, which writes to the file of an empty home."""
    own = logging.Logger("arc_core.somewhere", logging.DEBUG)
    own.addHandler(LogFile(load_settings()))
    yield own
    own.handlers[0].close()


def lines(home: Path) -> list[dict]:
    return [json.loads(line) for line in (home / "logs" / NAME).read_text().splitlines()]


def test_a_line_says_when_what_where_and_of_which_experiment(arc_home, logger, monkeypatch):
    monkeypatch.setenv("PREFECT__FLOW_RUN_ID", "run-of-the-process")
    with about(experiment_id="exp-1"), about(cycle=3):
        logger.warning("two\nlines of %s", "text")
    logger.info("later", extra={"flow_run_id": "run-of-the-record", "task_run_id": "task"})
    first, second = lines(arc_home)
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "WARNING",
        "logger": "arc_core.somewhere",
        "message": "two\nlines of text",
        "pid": os.getpid(),
        "flow_run_id": "run-of-the-process",
        "experiment_id": "exp-1",
        "cycle": 3,
    }
    assert (second["flow_run_id"], second["task_run_id"]) == ("run-of-the-record", "task")
    assert "experiment_id" not in second


def test_nothing_is_made_before_the_first_line(arc_home, logger):
    assert not arc_home.exists()
    logger.debug("below the level")
    assert not arc_home.exists()
    logger.info("the first")
    assert len(lines(arc_home)) == 1


@pytest.mark.parametrize("secret", VALUES)
def test_no_secret_is_logged(arc_home, logger, secret):
    logger.info(f"in the text: {secret}")
    logger.info("as an argument: %s, %r, %s", secret, secret, {"nested": [secret]})
    logger.info("arguments that don't fit %d", secret)
    logger.info("with a stack", stack_info=True)
    try:
        try:
            raise ValueError(secret)
        except ValueError:
            raise RuntimeError(f"{json.dumps(secret)} below another error")  # noqa: B904  # on purpose
    except RuntimeError:
        logger.exception("a traceback of %s", secret)
    text = (arc_home / "logs" / NAME).read_text()
    written = json.dumps([json.loads(line) for line in text.splitlines()], ensure_ascii=False)
    for form in {
        secret,
        json.dumps(secret)[1:-1],
        repr(secret)[1:-1],
        json.dumps(json.dumps(secret)[1:-1])[1:-1],
    }:
        assert form not in text
        assert form not in written
    last = lines(arc_home)[-1]
    assert "RuntimeError" in last["traceback"]
    assert "ValueError" in last["traceback"]
    assert "[secret removed]" in last["traceback"]


def test_the_secrets_of_a_dotenv_file_count_as_well(arc_home, logger, tmp_path):
    (tmp_path / ".env").write_text("MY_PASSWORD=from-a-file\nPREFECT_API_AUTH_STRING=admin:also-from-it\n")
    redaction.cache_clear()
    logger.info("from-a-file and also-from-it")
    assert "from" not in lines(arc_home)[0]["message"].replace("[secret removed]", "")


WRITER = """
import logging, sys
from arc_core.logs import LogFile
logger = logging.Logger("one of many")
logger.addHandler(LogFile())
for number in range(300):
    logger.info("%s %s %s", sys.argv[1], number, "x" * 100)
"""


def test_many_processes_write_and_rotate_one_file(arc_home):
    env = os.environ | {"ARC_LOG_MIB": "0.01", "ARC_LOG_FILES": "1000", "PYTHONPATH": str(ROOT)}
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(name)], env=env) for name in range(4)]
    assert [writer.wait() for writer in writers] == [0] * 4
    files = sorted((arc_home / "logs").glob(f"{NAME}*"))
    assert len(files) > 20
    assert max(file.stat().st_size for file in files) <= 0.01 * 2**20
    told = [
        json.loads(line)["message"].split()[:2] for file in files for line in file.read_text().splitlines()
    ]
    assert sorted(told) == sorted([str(name), str(number)] for name in range(4) for number in range(300))


def test_no_more_files_are_kept_than_said(arc_home, monkeypatch):
    monkeypatch.setenv("ARC_LOG_MIB", "0.01")
    monkeypatch.setenv("ARC_LOG_FILES", "3")
    logger = logging.Logger("it")
    logger.addHandler(LogFile())
    for _ in range(100):
        logger.info("x" * 1000)
    logger.handlers[0].close()
    assert sorted(file.name for file in (arc_home / "logs").glob(f"{NAME}*")) == [
        NAME,
        f"{NAME}.1",
        f"{NAME}.2",
    ]


def test_a_file_that_was_taken_away_is_made_anew(arc_home, logger):
    logger.info("one")
    (arc_home / "logs" / NAME).rename(arc_home / "elsewhere")
    logger.info("two")
    assert [line["message"] for line in lines(arc_home)] == ["two"]


def test_a_log_that_can_not_be_written_ends_nothing_and_is_told_once(arc_home, logger, capsys):
    arc_home.mkdir()
    (arc_home / "logs").write_text("in the way of the folder of this name")
    logger.info("one")
    logger.info("two")
    assert capsys.readouterr().err.count("can't be written") == 1


def test_prefects_loggers_log_the_same_as_ever_and_to_the_file(arc_home):
    """`configs/logging.yml` is Prefect's own, of the version that is installed, with the additions."""
    ours = yaml.safe_load((ROOT / "configs" / "logging.yml").read_text())
    theirs = yaml.safe_load(DEFAULT_LOGGING_SETTINGS_PATH.read_text())
    for name in ("arc_core", "flows", "tasks"):
        del ours["loggers"][name]
    del ours["handlers"]["arc"]
    for handler in ours["handlers"].values():
        assert handler.pop("filters") == ["secrets"]
    for logger in (*ours["loggers"].values(), ours["root"]):
        handlers = logger.get("handlers", [])
        if (logger.get("propagate") is False and handlers != ["api"]) or logger is ours["root"]:
            handlers.remove("arc")
    assert (ours["loggers"], ours["root"]) == (theirs["loggers"], theirs["root"])
    assert ours["handlers"] == theirs["handlers"]


PREFECT = """
import logging
from prefect.logging import get_logger
from prefect.logging.configuration import setup_logging
setup_logging()
get_logger("workers").warning("the password is %s", "hunter22-hunter22")
logging.getLogger("arc_core.x").info("it is %s here too", "hunter22-hunter22")
logging.getLogger("prefect._internal").error("and here, %s", "hunter22-hunter22")
try:
    raise ValueError("hunter22-hunter22")
except ValueError:
    logging.getLogger("uvicorn.error").exception("in the server")
"""


def prefect_environment(folder: Path) -> dict[str, str]:
    """As `scripts/up` gives it to the parts."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_LOGGING")}
    return kept | {
        "PREFECT_LOGGING_CONFIG_PATH": str(ROOT / "configs" / "logging.yml"),
        "PREFECT_HOME": str(folder / "prefect"),
        "PYTHONPATH": str(ROOT),
    }


def test_neither_file_nor_console_of_a_prefect_process_holds_a_secret(arc_home, secrets, tmp_path):
    env = prefect_environment(tmp_path)
    ran = subprocess.run(
        [sys.executable, "-c", PREFECT], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    found = lines(arc_home)
    assert [line["logger"] for line in found] == [
        "prefect.workers",
        "arc_core.x",
        "prefect._internal",
        "uvicorn.error",
    ]
    assert "ValueError" in found[-1]["traceback"]
    for text in (ran.stderr, (arc_home / "logs" / NAME).read_text()):
        assert text.count("[secret removed]") == 4
        assert "hunter22" not in text


LOCKED = """
import logging
from prefect.logging import get_logger
from prefect.logging.configuration import setup_logging
setup_logging()
try:
    raise ValueError("the database is locked")
except ValueError:
    get_logger("server.services.recorder").exception("to be tried again: hunter22-hunter22")
    logging.getLogger("uvicorn.error").exception("it does not start")
"""


def test_what_the_temporary_server_tries_again_is_in_the_file_alone(arc_home, secrets, tmp_path):
    """What keeps it from starting is on the terminal too: without it the command can only wait."""
    own = {"PREFECT_LOGGING_CONFIG_PATH": str(ROOT / "configs" / "temporary_server.yml")}
    env = prefect_environment(tmp_path) | own
    ran = subprocess.run(
        [sys.executable, "-c", LOCKED], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert [line["message"] for line in lines(arc_home)] == [
        "to be tried again: [secret removed]",
        "it does not start",
    ]
    assert all("database is locked" in line["traceback"] for line in lines(arc_home))
    assert "tried again" not in ran.stdout + ran.stderr
    assert "it does not start" in ran.stderr


FLOW = """
from prefect import flow, get_run_logger
@flow
def tells():
    get_run_logger().warning("the password is %s", "hunter22-hunter22")
tells()
"""


FAILS = """
from prefect import flow, task
from arc_core.errors import DatasetError
@task
def broken(error):
    raise error
@flow
def fails(error):
    broken(error)
for error in (DatasetError("no such folder", where="/nowhere", cure="Mend it."), ValueError("not foreseen")):
    try:
        fails(error)
    except type(error):
        pass
"""


def test_the_console_has_no_traceback_of_an_error_that_was_foreseen(arc_home, prefect_server, tmp_path):
    env = prefect_environment(tmp_path) | {"PREFECT_API_URL": prefect_server, "PREFECT_LOGGING_LEVEL": "INFO"}
    ran = subprocess.run(
        [sys.executable, "-c", FAILS], env=env, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    foreseen, other = ran.stderr.partition("not foreseen")[::2]
    assert "/nowhere: no such folder. Mend it." in foreseen
    assert "Traceback" not in foreseen
    assert "Traceback" in other
    told = [line for line in lines(arc_home) if "DatasetError" in line.get("traceback", "")]
    assert len(told) == 2, "of task and flow, in the file"


def test_what_the_prefect_server_is_told_holds_no_secret(arc_home, secrets, prefect_server, tmp_path):
    env = prefect_environment(tmp_path) | {"PREFECT_API_URL": prefect_server}
    subprocess.run([sys.executable, "-c", FLOW], env=env, cwd=tmp_path, capture_output=True, check=True)
    (line,) = (line for line in lines(arc_home) if line["message"].startswith("the password"))
    with SyncPrefectClient(prefect_server) as client:
        ids = LogFilterFlowRunId(any_=[line["flow_run_id"]])
        told = [log.message for log in client.read_logs(LogFilter(flow_run_id=ids))]
    assert "the password is [secret removed]" in told


def test_the_filter_serves_any_handler(secrets):
    stream = io.StringIO()
    logger = logging.Logger("other")
    handler = logging.StreamHandler(stream)
    handler.addFilter(SecretFilter())
    logger.addHandler(handler)
    try:
        raise ValueError("looks-like-a-word")
    except ValueError:
        logger.exception("%s", "another-one")
    assert "[secret removed]" in stream.getvalue()
    assert not any(secret in stream.getvalue() for secret in VALUES)
