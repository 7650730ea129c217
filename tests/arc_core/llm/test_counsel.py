"""A role's asking: one repair, retries, fallbacks, caps; and a ledger that has it all."""

import contextlib
import hashlib
from concurrent.futures import ThreadPoolExecutor

import pytest
from pydantic import BaseModel

from arc_core.experiments.memory import Memory
from arc_core.llm.budget import Caps
from arc_core.llm.counsel import Counsel, tokens_of
from arc_core.llm.roles import LlmConfig
from arc_core.llm.router import LlmFailed, LlmTimeout
from arc_core.settings import load_settings
from tests.contracts.records import STUDY
from tests.llm_server import KEY, WORDS


class Objective(BaseModel):
    mode: str
    objective: str


class Reviews(BaseModel):
    reviews: list[str]


@pytest.fixture
def memory(tmp_path):
    made = Memory(f"sqlite:///{tmp_path / 'arc.db'}")
    yield made
    made.close()


@pytest.fixture
def counsel(server, trap, memory):
    """Makes the counsel of a director on the server."""
    memory.register_study(STUDY)
    cycle = memory.begin_cycle(STUDY.id)
    settings = load_settings(_env_file=None, llm_api_key=KEY, llm_retry_delay=0.05)

    def make(*, caps: Caps | None = None, total: Caps | None = None, **default) -> Counsel:
        fields = {"model": "director", "base_url": server.url, "timeout_s": 10, "retries": 0} | default
        config = LlmConfig.model_validate(
            {"default": fields, "per_cycle": caps or Caps(), "in_total": total or Caps()}
        )
        return Counsel(memory.calls, cycle.id, config, settings)

    return make


def ask(counsel: Counsel):
    return counsel.ask("director", "the rules", "the question", Objective)


def calls(memory):
    (cycle,) = memory.cycles(STUDY.id)
    return memory.calls.of_cycle(cycle.id)


def test_a_call_is_recorded_whole(counsel, memory):
    said = ask(counsel())
    assert (said.answer.mode, said.model) == ("explore", "director")
    (call,) = calls(memory)
    assert (call.role, call.model, call.outcome, call.purpose) == (
        "director",
        "director",
        "answered",
        "answer",
    )
    assert "the rules" in call.prompt
    assert "the question" in call.prompt
    assert call.prompt_sha256 == hashlib.sha256(call.prompt.encode()).hexdigest()
    assert call.answer_sha256 == hashlib.sha256(call.answer.encode()).hexdigest()
    assert (call.tokens_in, call.tokens_out, call.cost_usd) == (100, 50, 0)
    assert 0 < call.seconds < 10


def test_the_repair_shows_the_model_its_own_fault(counsel, server, memory, monkeypatch):
    told = []

    def mended(role, good, request):
        told.append(request["messages"])
        return '{"mode": "explore"}' if len(told) == 1 else '{"mode": "explore", "objective": "mended"}'

    monkeypatch.setitem(WORDS, "mends", mended)
    server.faults = {"director": "mends"}
    assert ask(counsel()).answer.objective == "mended"
    assert told[1][2] == {"role": "assistant", "content": '{"mode": "explore"}'}
    assert "objective: Field required" in told[1][3]["content"]
    assert [(c.purpose, c.outcome) for c in calls(memory)] == [("answer", "invalid"), ("repair", "answered")]


def test_there_is_one_repair_only(counsel, server, memory):
    server.faults = {"director": "wrong schema"}
    with pytest.raises(LlmFailed, match="asked twice"):
        ask(counsel())
    assert [call.outcome for call in calls(memory)] == ["invalid", "invalid"]


def test_a_busy_server_is_asked_again_when_it_says(counsel, server, memory):
    server.faults = {"director": "429 Retry-After"}
    with pytest.raises(LlmFailed):
        ask(counsel(retries=1))
    assert [call.outcome for call in calls(memory)] == ["failed", "failed"]
    assert memory.calls.spent().tokens == 0  # nobody worked for it


def test_a_time_out_is_not_retried_here_and_counts_as_spent(counsel, server, memory):
    server.faults = {"director": "after the time-out"}
    with pytest.raises(LlmTimeout):
        ask(counsel(timeout_s=0.5, retries=3))
    (call,) = calls(memory)
    assert call.outcome == "timeout"
    assert call.tokens_out == 2048


def test_the_fallback_answers_where_the_model_fails(counsel, server, memory):
    server.faults = {"director": "500"}
    said = counsel(fallbacks=[{"name": "critic", "base_url": server.url}]).ask("director", "", "", Reviews)
    assert said.model == "critic"
    assert [(c.model, c.outcome) for c in calls(memory)] == [("director", "failed"), ("critic", "answered")]


def test_no_role_may_fall_back_from_an_own_server_to_a_provider(counsel):
    with pytest.raises(ValueError, match="not on a server of yours"):
        counsel(fallbacks=["openai/gpt-4o"])


def test_nothing_is_spent_after_the_cap(counsel, server, memory):
    limited = counsel(caps=Caps(tokens=tokens_of("x" * 1200) + 150), max_tokens=64)
    ask(limited)
    for _ in range(20):
        with contextlib.suppress(LlmFailed):
            ask(limited)
    asked = len(server.requests)
    for _ in range(3):
        with pytest.raises(LlmFailed, match="have no room"):
            ask(limited)
    assert len(server.requests) == asked
    assert calls(memory)[-1].outcome == "over_budget"


def test_calls_at_once_share_one_cap(counsel, server, memory):
    server.delay_s = 0.3
    limited = counsel(total=Caps(tokens=800), max_tokens=64)

    def one(_):
        try:
            return ask(limited)
        except LlmFailed:
            return None

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(8)))
    assert 0 < len(server.requests) < 8
    assert memory.calls.spent().tokens <= 800


def test_a_process_that_dies_leaves_its_grant_set_aside(counsel, memory, monkeypatch):
    def die(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("arc_core.llm.router.complete", die)
    with pytest.raises(KeyboardInterrupt):
        ask(counsel())
    (call,) = calls(memory)
    assert call.outcome == "failed"
    assert call.tokens_out == 2048


@pytest.mark.parametrize("fault", ["echoes the key", "escapes the key"])
def test_a_secret_is_in_no_prompt_and_no_answer(counsel, server, memory, tmp_path, fault):
    server.faults = {"director": fault}
    said = counsel().ask("director", f"the rules, and {KEY}", f"Bearer {KEY}", Objective)
    assert "[secret removed]" in said.answer.objective
    assert KEY not in str(server.requests)
    memory.close()
    for path in tmp_path.iterdir():
        assert KEY.encode() not in path.read_bytes()


def test_a_server_of_ones_own_needs_no_key(server, trap, memory):
    memory.register_study(STUDY)
    config = LlmConfig.model_validate({"default": {"model": "director", "base_url": server.url}})
    settings = load_settings(_env_file=None)
    assert ask(Counsel(memory.calls, memory.begin_cycle(STUDY.id).id, config, settings)).answer.mode


def test_a_secret_is_not_kept_in_part_either(counsel, server, memory):
    server.faults = {"director": "401 with the key"}
    with pytest.raises(LlmFailed) as failed:
        ask(counsel())
    (call,) = calls(memory)
    assert KEY[:8] not in call.reason + str(failed.value)
    assert "no no no" in call.reason


def test_a_server_that_miscounts_is_not_believed(counsel, server, memory):
    server.faults = {"director": "tokens without end"}
    assert ask(counsel()).answer.mode
    (call,) = calls(memory)
    assert 0 < call.tokens_in < 10_000


def test_when_the_cycles_time_for_models_is_over_none_is_asked(server, memory):
    memory.register_study(STUDY)
    config = LlmConfig.model_validate({"default": {"model": "director", "base_url": server.url}})
    late = Counsel(memory.calls, memory.begin_cycle(STUDY.id).id, config, load_settings(_env_file=None), 1.0)
    with pytest.raises(LlmFailed, match="no more time") as failed:
        ask(late)
    assert not isinstance(failed.value, TimeoutError)  # which would be tried again
    assert server.requests == []
