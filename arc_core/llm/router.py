"""The one door to language models: a request in, an answer or one of three errors out, in time.

The only importer of litellm, which is loaded with the first request: it takes seconds, and offline boards
never need it.
"""

import contextlib
import logging
import os
import re
import warnings
from collections.abc import Coroutine, Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import SecretStr

from arc_core.llm.budget import Price
from arc_core.llm.deadline import TooLong, within
from arc_core.llm.roles import Model, RoleModel
from arc_core.record import Record

Messages = Sequence[Mapping[str, str]]

_NESTED = re.compile(r"\b(litellm\.)?[A-Z]\w*(Error|Exception)(: | - )")  # names of what was wrapped in what
MOST_TOKENS = 10_000_000  # a server that counts more of them is not believed
LOAD_S = 120.0  # seconds that loading litellm may take on a slow machine


class LlmFailed(Exception):
    """No usable answer; the text is the recorded reason."""

    may_be_billed = False  # whether the provider may have worked for it


class LlmTimeout(LlmFailed, TimeoutError):
    """The model took longer than its role may."""

    may_be_billed = True


class LlmBusy(LlmFailed):
    """Worth another try: too many requests, a fault of the server, a lost connection."""

    def __init__(
        self, reason: str, retry_after_s: float | None = None, *, may_be_billed: bool = False
    ) -> None:
        super().__init__(reason)
        self.retry_after_s, self.may_be_billed = retry_after_s, may_be_billed


class Reply(Record):
    """What came back; `tokens_*` None where the server does not say."""

    text: str
    tokens_in: int | None
    tokens_out: int | None


def complete(
    model: Model,
    how: RoleModel,
    messages: Messages,
    *,
    schema: dict[str, Any],
    max_tokens: int,
    timeout_s: float,
    own_key: SecretStr | None,
) -> Reply:
    """One request to one model, never repeated and never sent elsewhere.

    `own_key` goes to servers named by `base_url` only; other providers' keys come from their own
    variables, such as OPENAI_API_KEY. LlmTimeout after `timeout_s` on the wall clock, whatever the
    provider makes of its own time-out (BerriAI/litellm#8333).
    """
    request = _complete(model, how, messages, schema, max_tokens, timeout_s, own_key)
    return _in_time(timeout_s, request)


def _in_time(timeout_s: float, request: Coroutine[Any, Any, Reply]) -> Reply:
    """The reply, or one of the three errors."""
    try:
        return within(timeout_s, request)
    except LlmFailed:
        raise
    except TimeoutError as late:
        raise LlmTimeout(str(late)) from None
    except Exception as error:  # noqa: BLE001  # litellm has no common root for what providers raise
        raise _meant(error) from None


@cache
def load() -> None:
    """Take the seconds that the first request would need: litellm builds much of itself only then.

    A request goes the whole way, to a transport without a network that answers it at once.
    """
    import httpx

    nowhere = httpx.MockTransport(lambda request: httpx.Response(503))
    model, how = Model(name="none", base_url="http://localhost"), RoleModel(response_format="text")
    with contextlib.suppress(LlmFailed):
        _in_time(LOAD_S, _complete(model, how, (), {}, 1, LOAD_S, None, nowhere))


def price(model: Model) -> Price | None:
    """Of litellm's table; a server of one's own costs nothing per token. None where it is not known."""
    if model.is_own:
        return Price()
    try:
        known = _litellm().get_model_info(model.name)
    except Exception:  # noqa: BLE001  # it raises a bare Exception for a model it does not know
        return None
    per_in, per_out = known.get("input_cost_per_token"), known.get("output_cost_per_token")
    return None if per_in is None or per_out is None else Price(per_token_in=per_in, per_token_out=per_out)


async def _complete(
    model: Model,
    how: RoleModel,
    messages: Messages,
    schema: dict[str, Any],
    max_tokens: int,
    timeout_s: float,
    own_key: SecretStr | None,
    transport: Any = None,
) -> Reply:
    async with contextlib.AsyncExitStack() as stack:
        reply = await _litellm().acompletion(
            messages=list(messages),
            temperature=how.temperature,
            max_tokens=max_tokens,
            timeout=timeout_s,
            max_retries=0,  # retries are counted and paid for in one place
            num_retries=0,
            response_format=_format(how.response_format, schema),
            **await _address(model, own_key, timeout_s, stack, transport),
        )
    return _read(reply)


async def _address(
    model: Model,
    own_key: SecretStr | None,
    timeout_s: float,
    stack: contextlib.AsyncExitStack,
    transport: Any,
) -> dict[str, Any]:
    """Where to send it. One's own server gets a client that knows no proxy and no other key."""
    if model.base_url is None:
        return {"model": model.name}
    from openai import AsyncOpenAI

    from arc_core.llm import wire

    key = own_key.get_secret_value() if own_key else "none"
    http = await stack.enter_async_context(wire.client(timeout_s, transport))
    client = AsyncOpenAI(base_url=model.base_url, api_key=key, http_client=http, max_retries=0)
    return {
        "model": model.name.removeprefix("openai/"),
        "custom_llm_provider": "openai",
        "api_base": model.base_url,
        "api_key": key,
        "client": client,
    }


def _format(kind: str, schema: dict[str, Any]) -> dict[str, Any] | None:
    if kind == "json_schema":
        return {"type": kind, "json_schema": {"name": schema["title"].lower(), "schema": schema}}
    return {"type": kind} if kind == "json_object" else None


def _read(reply: Any) -> Reply:
    try:
        text, usage = reply.choices[0].message.content, getattr(reply, "usage", None)
    except (AttributeError, IndexError, TypeError):
        raise LlmFailed("the server's reply has no message in it") from None
    return Reply(
        # Lone surrogates and the null character can't be stored.
        text=str(text or "").encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}"),
        tokens_in=_count(usage, "prompt_tokens"),
        tokens_out=_count(usage, "completion_tokens"),
    )


def _count(usage: Any, name: str) -> int | None:
    found = getattr(usage, name, None)
    return found if isinstance(found, int) and 0 < found <= MOST_TOKENS else None


def _meant(error: Exception) -> LlmFailed:
    """What an error of litellm or of the client below it comes to."""
    words = f"{type(error).__name__}: {_NESTED.sub('', str(error))}"
    chain = [error, error.__cause__, error.__context__]
    if (refused := _too_long(error)) is not None:
        return LlmFailed(str(refused))
    if any("Timeout" in type(each).__name__ for each in chain):  # some providers call it a lost connection
        return LlmTimeout(words)
    status = getattr(error, "status_code", None)
    lost = "Connection" in type(error).__name__
    if lost or (isinstance(status, int) and (status in (408, 409, 429) or status >= 500)):
        return LlmBusy(words, _retry_after(error), may_be_billed=lost)
    return LlmFailed(words)


def _too_long(error: BaseException | None) -> TooLong | None:
    """What the wire refused, below all that has wrapped it."""
    for _ in range(10):
        if error is None or isinstance(error, TooLong):
            return error
        error = error.__cause__ or error.__context__
    return None


def _retry_after(error: Exception) -> float | None:
    """Seconds of the Retry-After header (RFC 9110, section 10.2.3), given as seconds or as a date."""
    headers = getattr(getattr(error, "response", None), "headers", None) or getattr(
        error, "litellm_response_headers", None
    )
    value = headers.get("retry-after") if headers else None
    if value is None:
        return None
    with contextlib.suppress(ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        when = parsedate_to_datetime(value)
        when = when if when.tzinfo else when.replace(tzinfo=UTC)  # "-0000" comes without one
        return max(0.0, (when - datetime.now(UTC)).total_seconds())
    return None


@cache
def _litellm() -> ModuleType:
    """litellm, told to fetch nothing, to read no .env, to log nothing and to send nothing about itself."""
    os.environ |= {
        "LITELLM_MODE": "PRODUCTION",  # else it loads the .env of the current folder
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    }
    warnings.filterwarnings("ignore", message="Item .* on TypedDict class")  # about litellm's own types
    import litellm

    litellm.telemetry = False
    litellm.suppress_debug_info = True
    litellm.turn_off_message_logging = True
    litellm.drop_params = True  # a parameter that a provider lacks is left out
    logging.getLogger("LiteLLM").setLevel(logging.CRITICAL)  # its errors are ours to tell, without secrets
    return litellm
