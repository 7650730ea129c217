"""A whole cycle, as a user runs it, whose every role's model answers badly in a way of its own."""

import pytest

from arc_core.experiments.board import Recollection
from tests.command import TWO, Finished, run_cycle
from tests.fault_table import files
from tests.llm_server import KEY, ModelServer

FAULTS = {
    "historian": "a byte a second",
    "director": "not UTF-8",
    "architect": "shell as name",
    "explorer": "injection",
    "parameter_scientist": "echoes the key",
    "critic": "1 MB of text",
    "critic_secondary": "connection dropped",
    "supervisor": "unknown names",
}


@pytest.fixture(scope="module")
def server():
    running = ModelServer()
    running.faults = FAULTS
    yield running
    running.close()


@pytest.fixture(scope="module")
def cycle(server, prefect_server, tmp_path_factory) -> Finished:
    return run_cycle(
        tmp_path_factory.mktemp("models") / "home",
        *TWO,
        *server.overrides(timeout_s=2),
        **server.environment(),
        ARC_LLM_MAX_RETRIES="1",
        ARC_LLM_RETRY_DELAY="0.2",
        PREFECT_API_URL=prefect_server,
        PREFECT_LOGGING_LEVEL="DEBUG",
    )


def test_the_cycle_ends_with_what_the_rules_allow(cycle):
    assert cycle.code == 0, cycle.err
    outcomes = [each.outcome for each in cycle.memory.experiments(cycle.study)]
    assert [each.status for each in outcomes] == ["finished", "finished"]


def test_the_ledger_says_what_every_role_came_to(cycle):
    (number,) = [each.id for each in cycle.memory.cycles(cycle.study)]
    by_role: dict[str, list[str]] = {}
    for call in cycle.memory.calls.of_cycle(number):
        by_role.setdefault(call.role, []).append(call.outcome)
    assert by_role["historian"] == ["timeout", "timeout", "offline"]
    assert by_role["director"] == ["failed", "offline"]
    assert by_role["critic"] == ["invalid", "invalid", "offline"]
    assert by_role["critic_secondary"] == ["failed", "offline"]
    assert by_role["supervisor"] == ["answered"]
    assert by_role["explorer"].count("set_aside") >= 2
    assert cycle.memory.kept(number, Recollection) == ()


def test_the_key_is_in_no_file_and_on_no_terminal(cycle):
    """Store, runs and reports, and Prefect at its most talkative."""
    folder = cycle.home.parent
    assert len(files(folder)) > 10
    assert [path for path in files(folder) if KEY.encode() in path.read_bytes()] == []
    assert KEY not in cycle.out + cycle.err


def test_no_file_is_named_by_a_model(cycle):
    assert [
        path for path in files(cycle.home.parent) if "rm -rf" in str(path) or "was-here" in str(path)
    ] == []


def test_the_report_shows_a_models_words_as_words(cycle):
    page = (cycle.home / "report" / "index.html").read_text()
    assert "rm -rf" in page
    assert "Scorecards" in page
    assert "<script" not in page
