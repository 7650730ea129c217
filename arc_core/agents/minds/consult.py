"""Asking a role's model, where it has one."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from arc_core.experiments.board import Role
from arc_core.llm.counsel import Counsel, Said
from arc_core.llm.router import LlmFailed

S = TypeVar("S", bound=BaseModel)

Question = Callable[[int], str]
"""Writes what the model is shown, in at most so many tokens."""

PROMPTS = Path(__file__).parent / "prompts"


def ask(counsel: Counsel, role: Role, question: Question, kind: type[S]) -> Said[S]:
    """What the role's model says. LlmTimeout where it was too slow, LlmFailed for all else."""
    rules = _rules(role)
    return counsel.ask(role, rules, question(counsel.room(role, rules, kind)), kind)


def consult(counsel: Counsel | None, role: Role, question: Question, kind: type[S]) -> Said[S] | None:
    """What the role's model says; None: the offline mind answers, and the ledger says why."""
    if counsel is None or not counsel.has_model(role):
        return None
    try:
        return ask(counsel, role, question, kind)
    except LlmFailed as failed:
        counsel.go_offline(role, str(failed))
        return None


def consult_all(
    counsel: Counsel | None, roles: Sequence[Role], question: Question, kind: type[S]
) -> dict[Role, Said[S] | None]:
    """`consult` for roles that don't depend on each other, all at once."""
    if counsel is None or not any(map(counsel.has_model, roles)):
        return dict.fromkeys(roles)
    with ThreadPoolExecutor(len(roles), thread_name_prefix="mind") as pool:
        heard = pool.map(lambda role: consult(counsel, role, question, kind), roles)
        return dict(zip(roles, heard, strict=True))


@cache
def _rules(role: Role) -> str:
    """What the role's model is told before it is asked: the house rules, then its own."""
    return "\n\n".join((PROMPTS / f"{name}.md").read_text().strip() for name in ("house", role))
