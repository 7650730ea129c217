"""Pausing the flow run until a person has answered a form in Prefect's UI."""

import contextvars
import math
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar
from uuid import UUID, uuid4

from prefect import get_client
from prefect.client.schemas.responses import SetStateStatus
from prefect.context import FlowRunContext
from prefect.exceptions import Pause
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from prefect.settings import get_current_settings
from prefect.states import Running
from prefect.utilities.urls import url_for

from arc_core.agents.board import BoardConfig
from arc_core.errors import ConfigError
from tasks.progress import announce

F = TypeVar("F", bound=RunInput)
POLL_S = 2
GRACE_S = 120  # between our time limit, which answers, and Prefect's own, which fails the run


def need_server(board: BoardConfig) -> None:
    """ConfigError where a person would have to answer on a server that nobody can reach."""
    if board.autonomy in ("semi", "auto"):
        _need_reachable_server(f"{board.autonomy}, with PREFECT_API_URL not set")


def ask(form: type[F], seconds: float, refusal: Mapping[str, object]) -> F | None:
    """Pause this flow run until a person has sent the form; None when `seconds` passed first.

    `refusal` is what the form holds if nobody sends it, but for its field `name`. The server takes one
    answer only, so a person and the time limit can't both win.
    """
    _need_reachable_server("a cycle that waits for a person, with PREFECT_API_URL not set")
    if seconds <= 0:
        return None
    context = FlowRunContext.get()
    assert context is not None
    assert context.flow_run is not None
    subject = form.__name__.lower()
    announce(f"Waiting for a person ({subject}), at {url_for(context.flow_run)}: press Resume.")
    nobody = uuid4().hex
    with _answers_after(seconds, context.flow_run.id, {**refusal, "name": nobody}):
        answer = _paused(form, math.ceil(seconds) + GRACE_S, context.flow_run.id)
    return None if getattr(answer, "name", None) == nobody else answer


def _paused(form: type[F], timeout_s: int, flow_run_id: UUID) -> F:
    """Prefect's pause, and its form as a person sent it.

    A busy server may take the request and lose its answer. The client then sends it again, is told that the
    run is paused, and takes that for the end of the flow: no form is there, and nobody waits.
    """
    while True:
        try:
            return pause_flow_run(
                wait_for_input=form.with_initial_data(description="Nothing goes on before your answer."),
                timeout=timeout_s,
                poll_interval=POLL_S,
                # Prefect's own key counts the pauses of one attempt: a retried run would read an old answer.
                key=uuid4().hex,
            )
        except Pause:
            with get_client(sync_client=True) as client:
                client.set_flow_run_state(flow_run_id, Running(), force=True)


@contextmanager
def _answers_after(seconds: float, flow_run_id: UUID, answer: dict[str, object]) -> Iterator[None]:
    """Send `answer` unless another was sent within `seconds`; the server refuses it where one was."""
    answered = threading.Event()

    def send() -> None:
        wait = seconds
        while not answered.wait(wait):
            with get_client(sync_client=True) as client:
                if client.resume_flow_run(flow_run_id, run_input=answer).status == SetStateStatus.ACCEPT:
                    return
            wait = POLL_S  # refused: a person was faster, or a busy server has the run between two pauses

    # Prefect keeps its settings in the context, which a thread does not inherit.
    threading.Thread(target=contextvars.copy_context().run, args=[send], daemon=True).start()
    try:
        yield
    finally:
        answered.set()


def _need_reachable_server(got: str) -> None:
    if get_current_settings().api.url is None:
        raise ConfigError(
            "a person has to answer in Prefect's UI, and the temporary server of this command has none",
            where="board.autonomy",
            got=got,
            expected="the address of a Prefect server that keeps running",
            cure="Start one with `make up`, set PREFECT_API_URL=http://127.0.0.1:4200/api and run it again, "
            "or let it run alone with board.autonomy=full.",
        )
