"""A role asks its model for a record: retries, one repair, fallback models; every call is in the ledger."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel

from arc_core.clock import unix_s
from arc_core.experiments.board import OFFLINE, Role
from arc_core.experiments.call import Call, Spent
from arc_core.experiments.calls import CallLedger
from arc_core.llm import router
from arc_core.llm.answer import Unfit, parsed
from arc_core.llm.budget import Grant, OverBudget, Price, grant
from arc_core.llm.roles import LlmConfig, Model, RoleModel
from arc_core.llm.router import LlmBusy, LlmFailed, LlmTimeout, Reply
from arc_core.provenance.canonical import canonical_json, sha256_of_text
from arc_core.redaction import Redaction, unescaped
from arc_core.settings import Settings

S = TypeVar("S", bound=BaseModel)

Messages = list[dict[str, str]]

FORMAT = "Answer with one JSON object that fits this JSON schema, and with nothing else:"
REPAIR = "That is not what was asked for. Mend it, and answer with the whole JSON object again."
LONGEST_PAUSE_S = 60.0
LONGEST_REASON = 1000  # characters
BYTES_PER_TOKEN = 2.5  # fewer than tokenisers need for English and JSON
FRAME = 64  # tokens of what lies around the texts of a prompt
SHOWN_AGAIN = 4_000  # characters of a bad answer that its model sees when it is to mend it
KEPT_ANSWER = 100_000  # characters of an answer that the ledger keeps


def _told(rules: str, schema: dict[str, Any]) -> str:
    """A prompt's first part: the role's rules and the form of its answer."""
    return f"{rules}\n\n{FORMAT}\n{canonical_json(schema).decode()}"


def tokens_of(text: str) -> int:
    """An upper estimate; no tokeniser is loaded, and none would fit every model."""
    return int(len(text.encode()) / BYTES_PER_TOKEN) + 1


@dataclass(frozen=True, slots=True)
class Said(Generic[S]):
    """What a model said, as the record it was asked for."""

    answer: S
    model: str


@dataclass(frozen=True)
class _Ask(Generic[S]):
    """What stays the same over all tries with one model."""

    role: Role
    model: Model
    how: RoleModel
    kind: type[S]
    deadline: float  # of time.monotonic

    @cached_property
    def schema(self) -> dict[str, Any]:
        return self.kind.model_json_schema()


@dataclass(frozen=True, slots=True)
class _End:
    """How a call ended, for its row."""

    outcome: Literal["answered", "timeout", "failed", "invalid"] = "failed"
    reason: str = "interrupted"
    answer: str = ""
    reply: Reply | None = None
    may_be_billed: bool = True


class Counsel:
    """The models of one cycle. Safe to ask from several threads."""

    def __init__(
        self,
        calls: CallLedger,
        cycle_id: int,
        config: LlmConfig,
        settings: Settings,
        until: float | None = None,
    ) -> None:
        """`until`: when (of time.time) the cycle has no more time for models."""
        self._until = until
        self._calls, self._cycle_id, self._config, self._settings = calls, cycle_id, config, settings
        key = settings.llm_api_key
        self._redact = Redaction.of_environment(*([key.get_secret_value()] if key else []))

    @staticmethod
    def warm_up() -> None:
        """Load what the first request needs, in the background: it takes seconds."""
        threading.Thread(target=router.load, name="llm-load", daemon=True).start()

    def has_model(self, role: Role) -> bool:
        return bool(self._config.of(role).models)

    def room(self, role: Role, rules: str, kind: type[BaseModel]) -> int:
        """Tokens left for the question once the role's rules and the answer's schema are in its prompt."""
        rest = tokens_of(_told(rules, kind.model_json_schema())) + FRAME
        return max(0, self._config.of(role).prompt_tokens - rest)

    def ask(self, role: Role, rules: str, question: str, kind: type[S]) -> Said[S]:
        """A `kind` from the role's model, or else from the first fallback that gives one.

        A role waits at most its time-out for each of its models. LlmTimeout where one was too slow and
        none answered; LlmFailed for all else, an exhausted budget too.
        """
        router.load()  # not on the role's time
        reasons, slow = [], False
        for model in self._config.of(role).models:
            try:
                return Said(self._from(model, role, rules, question, kind), model.name)
            except LlmFailed as failed:
                slow = slow or isinstance(failed, LlmTimeout)
                reasons.append(f"{model}: {self._redact(str(failed))[:LONGEST_REASON]}")
        raise (LlmTimeout if slow else LlmFailed)("; ".join(reasons))

    def go_offline(self, role: Role, reason: str) -> None:
        """Note that the offline mind answers for the role."""
        with_reason = Call(
            role=role, model=OFFLINE, outcome="offline", reason=self._redact(reason)[:LONGEST_REASON]
        )
        self._calls.keep(self._cycle_id, with_reason)

    def set_aside(self, role: Role, model: str, reason: str) -> None:
        """Note that a part of the model's answer is not used."""
        note = Call(role=role, model=model, outcome="set_aside", reason=self._redact(reason)[:LONGEST_REASON])
        self._calls.keep(self._cycle_id, note)

    def timeout_s(self, role: Role) -> float:
        """Seconds that one model may take for the role, on the wall clock."""
        usual = self._settings.historian_timeout if role == "historian" else self._settings.llm_timeout
        return self._config.of(role).timeout_s or float(usual)

    def _from(self, model: Model, role: Role, rules: str, question: str, kind: type[S]) -> S:
        """One model's answer. The first that does not fit is shown to it again, with what is wrong."""
        seconds = self.timeout_s(role)
        if self._until is not None:
            seconds = min(seconds, self._until - unix_s())
        if seconds <= 0:
            raise LlmFailed("the cycle has no more time for models")
        ask = _Ask(role, model, self._config.of(role), kind, time.monotonic() + seconds)
        messages = [
            {
                "role": "system",
                "content": self._redact(_told(rules, ask.schema)),
            },
            {"role": "user", "content": self._redact(question)},
        ]
        try:
            return self._exchange(ask, messages, "answer")
        except Unfit as unfit:
            messages += [
                {"role": "assistant", "content": unfit.text[:SHOWN_AGAIN]},
                {"role": "user", "content": f"{REPAIR}\n{unfit}"},
            ]
        try:
            return self._exchange(ask, messages, "repair")
        except Unfit as unfit:
            raise LlmFailed(f"asked twice, answered amiss: {unfit}") from None

    def _exchange(self, ask: _Ask[S], messages: Messages, purpose: Literal["answer", "repair"]) -> S:
        """As many tries as the role allows and its deadline leaves."""
        for pause in self._pauses(ask.how.retries):
            try:
                return self._call(ask, messages, purpose)
            except LlmBusy as busy:
                wait = pause if busy.retry_after_s is None else busy.retry_after_s
                if pause is None or wait is None or time.monotonic() + wait >= ask.deadline:
                    raise
                time.sleep(wait)
        raise AssertionError("the last pause is None")

    def _pauses(self, retries: int) -> Iterator[float | None]:
        """Seconds before each next try, doubling; None after the last."""
        yield from (min(self._settings.llm_retry_delay * 2**n, LONGEST_PAUSE_S) for n in range(retries))
        yield None

    def _call(self, ask: _Ask[S], messages: Messages, purpose: Literal["answer", "repair"]) -> S:
        """One request, in the ledger before it is made and after."""
        call_id, call = self._begin(ask, messages, purpose)
        began, end = time.monotonic(), _End()
        try:
            reply = router.complete(
                ask.model,
                ask.how,
                messages,
                schema=ask.schema,
                max_tokens=call.tokens_out,
                timeout_s=call.seconds,
                own_key=self._settings.llm_api_key,
            )
            text = self._redact(unescaped(reply.text))
            end = _End("invalid", "not read", text, reply)
            answer = parsed(text, ask.kind, self._redact)
            end = replace(end, outcome="answered", reason="")
            return answer
        except LlmFailed as failed:
            outcome: Literal["timeout", "failed"] = "timeout" if isinstance(failed, LlmTimeout) else "failed"
            end = _End(outcome, self._redact(str(failed)), may_be_billed=failed.may_be_billed)
            raise
        except Unfit as unfit:
            end = replace(end, reason=str(unfit))
            raise
        except Exception as error:  # noqa: BLE001  # whatever a server sends, it must not end the cycle
            end = _End("failed", self._redact(f"{type(error).__name__}: {error}"))
            raise LlmFailed(end.reason) from None
        finally:
            self._calls.end(call_id, _ended(call, end, router.price(ask.model), time.monotonic() - began))

    def _begin(
        self, ask: _Ask[S], messages: Messages, purpose: Literal["answer", "repair"]
    ) -> tuple[int, Call]:
        """The call's place in the ledger, with what every cap leaves it set aside."""
        seconds = ask.deadline - time.monotonic()
        if seconds <= 0:
            raise LlmTimeout("no time is left for another try")
        prompt = canonical_json(messages).decode()
        price = router.price(ask.model)
        wanted = Grant(tokens_in=tokens_of(prompt), tokens_out=ask.how.max_tokens, seconds=seconds, usd=0)

        def admit(in_cycle: Spent, in_total: Spent) -> Call:
            config = self._config
            limits = (
                ("this cycle's", config.per_cycle, in_cycle),
                ("the total of", config.in_total, in_total),
            )
            granted = grant(wanted, price, limits)
            return Call(
                role=ask.role,
                model=ask.model.name,
                purpose=purpose,
                outcome="asked",
                prompt=prompt,
                prompt_sha256=sha256_of_text(prompt),
                tokens_in=granted.tokens_in,
                tokens_out=granted.tokens_out,
                cost_usd=None if price is None else granted.usd,
                seconds=granted.seconds,
            )

        try:
            return self._calls.begin(self._cycle_id, admit)
        except OverBudget as over:
            note = Call(role=ask.role, model=ask.model.name, outcome="over_budget", reason=str(over))
            self._calls.keep(self._cycle_id, note)
            raise LlmFailed(f"over budget: {over}") from None


def _ended(call: Call, end: _End, price: Price | None, seconds: float) -> Call:
    """The call with what it came to. What the server did not count is estimated; what may have been worked
    for in vain counts as all that was granted."""
    if end.reply is not None:
        tokens_in = end.reply.tokens_in or call.tokens_in
        tokens_out = end.reply.tokens_out or tokens_of(end.answer)
    elif end.may_be_billed:
        tokens_in, tokens_out = call.tokens_in, call.tokens_out
    else:
        tokens_in = tokens_out = 0
    answer = end.answer[:KEPT_ANSWER]
    return call.model_copy(
        update={
            "outcome": end.outcome,
            "reason": end.reason[:LONGEST_REASON],
            "answer": answer,
            "answer_sha256": sha256_of_text(answer) if answer else "",
            "tokens_in": tokens_in,
            "tokens_out": tokens_out,
            "cost_usd": None if price is None else price.of(tokens_in, tokens_out),
            "seconds": seconds,
        }
    )
