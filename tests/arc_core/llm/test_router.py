"""litellm talks to a real server over HTTP: answers in time, errors by kind, nothing sent elsewhere."""

import time

import pytest
from pydantic import SecretStr

from arc_core.llm import router
from arc_core.llm.roles import Model, RoleModel
from arc_core.llm.router import LlmBusy, LlmFailed, LlmTimeout
from tests.llm_server import KEY

MESSAGES = [{"role": "system", "content": "rules"}, {"role": "user", "content": "question"}]
GRACE_S = 1.0  # from the deadline to the error, on a machine that is busy


@pytest.fixture(autouse=True, scope="module")
def loaded():
    router.load()


def complete(server, *, timeout_s: float = 10, **how):
    return router.complete(
        Model(name="director", base_url=server.url),
        RoleModel(model="director", base_url=server.url, **how),
        MESSAGES,
        schema={"title": "A", "type": "object"},
        max_tokens=77,
        timeout_s=timeout_s,
        own_key=SecretStr(KEY),
    )


def test_an_answer_comes_with_its_tokens(server, trap):
    reply = complete(server)
    assert "objective" in reply.text
    assert (reply.tokens_in, reply.tokens_out) == (100, 50)


@pytest.mark.parametrize("form", ["json_schema", "json_object", "text"])
def test_what_is_asked_reaches_the_server(server, trap, form):
    complete(server, temperature=0.6, response_format=form)
    ((_, sent),) = server.requests
    assert sent["messages"] == MESSAGES
    assert (sent["temperature"], sent["max_tokens"]) == (0.6, 77)
    assert sent.get("response_format", {"type": "text"})["type"] == form


@pytest.mark.parametrize("fault", ["after the time-out", "a byte a second"])
def test_the_deadline_holds_whatever_the_server_does(server, trap, fault):
    server.faults = {"director": fault}
    began = time.monotonic()
    with pytest.raises(LlmTimeout):
        complete(server, timeout_s=1.0)
    assert time.monotonic() - began < 1.0 + GRACE_S
    assert complete_after(server).text  # and the next call is not held up by the last


def complete_after(server):
    server.faults = {}
    return complete(server)


def test_too_many_requests_say_when_to_come_back(server, trap):
    server.faults = {"director": "429 Retry-After"}
    with pytest.raises(LlmBusy) as busy:
        complete(server)
    assert busy.value.retry_after_s == 1.0
    assert len(server.requests) == 1  # retries are counted elsewhere


@pytest.mark.parametrize("fault", ["500", "connection dropped"])
def test_a_servers_fault_is_worth_another_try(server, trap, fault):
    server.faults = {"director": fault}
    with pytest.raises(LlmBusy):
        complete(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", ["not UTF-8", "redirect elsewhere"])
def test_what_is_no_answer_fails(server, trap, fault):
    server.trap = trap.url
    server.faults = {"director": fault}
    with pytest.raises(LlmFailed) as failed:
        complete(server)
    assert not isinstance(failed.value, LlmTimeout)


@pytest.mark.parametrize(("fault", "why"), [("flood", "more than"), ("zip bomb", "packed")])
def test_no_answer_fills_the_memory(server, trap, fault, why):
    server.faults = {"director": fault}
    with pytest.raises(LlmFailed, match=why) as failed:
        complete(server)
    assert not isinstance(failed.value, LlmBusy)


def test_no_other_services_headers_go_to_ones_own_server(server, trap, monkeypatch):
    for name in ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "X-Gateway: hidden")
    complete(server)
    (headers,) = server.headers
    assert "hidden" not in headers.values()
    assert headers["authorization"] == f"Bearer {KEY}"


def test_nobody_there_is_worth_another_try(server, trap):
    server.close()
    with pytest.raises(LlmBusy):
        complete(server)


def test_the_key_goes_to_the_server_and_into_no_error(server, trap):
    server.faults = {"director": "500"}
    with pytest.raises(LlmFailed) as failed:
        complete(server)
    assert KEY not in str(failed.value)


LONG_AGO = "Mon, 01 Jan 2024 00:00:00"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), (f"{LONG_AGO} -0000", 0.0), (f"{LONG_AGO} GMT", 0.0), ("soon", None)],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    error = Exception()
    error.litellm_response_headers = {"retry-after": header}
    assert router._retry_after(error) == seconds


def test_prices_are_litellms_and_nothing_on_ones_own_server(server):
    assert router.price(Model(name="any", base_url=server.url)).of(1000, 1000) == 0
    assert router.price(Model(name="openai/gpt-4o-mini")).of(1_000_000, 0) > 0
    assert router.price(Model(name="openai/no-such-model")) is None
