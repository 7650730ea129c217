"""A whole cycle, as a user runs it, whose every role's model answers badly in a way of its own."""

import time

import pytest

from arc_core.config import load_config
from arc_core.experiments.board import Recollection
from tasks.cycle import open_cycle
from tests.command import TINY, TWO, Finished, run_cycle, start_cycle
from tests.contracts.records import decision, proposal
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
    (page,) = (cycle.home / "report").glob("*/cycle-*.html")
    assert "rm -rf" in page.read_text()
    for path, scripts in ((page, 0), (cycle.home / "report" / "index.html", 1)):
        html = path.read_text()
        assert "Scorecards" in html
        assert html.count("<script") == scripts


def test_what_is_left_from_before_trains_while_the_historian_thinks(arc_home, prefect_server):
    config = load_config([*TINY])
    context = open_cycle.fn(config)
    left = proposal(1).model_copy(update={"spec": config.spec})
    context.memory.keep(context.cycle.id, [left])
    context.memory.keep_decisions(context.cycle, [decision(left.id)], {left.id: left})
    context.memory.end_cycle(context.cycle.id)
    server = ModelServer(delay_s=600)
    process = start_cycle(
        arc_home,
        *(*TINY, "board.experiments_per_cycle=1", f"llm.default.base_url={server.url}"),
        ARC_ROLES__HISTORIAN__MODEL="any",
        ARC_HISTORIAN_TIMEOUT="60",
        PREFECT_API_URL=prefect_server,
    )
    while not context.memory.experiments(context.study_id)[0].outcome.has_ended:
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.2)
    now = context.memory.cycles(context.study_id)[-1]
    assert [call.outcome for call in context.memory.calls.of_cycle(now.id)] == ["asked"]
    server.close()  # it answers
    out, err = process.communicate()
    assert process.returncode == 0, err
    (experiment,) = context.memory.experiments(context.study_id)
    assert experiment.outcome.status == "finished"
    assert experiment.id in out
