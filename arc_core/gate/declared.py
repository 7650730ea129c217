"""What a study's gate is set to: declared before the first training, in the ledger, and kept to the end.

Whoever could change it once results are known could choose whom it lets through.
"""

from typing import NamedTuple

from arc_core.errors import ConfigError
from arc_core.experiments.events import event
from arc_core.experiments.ledger import Ledger
from arc_core.experiments.memory import Memory
from arc_core.gate.verdict import GateConfig


class Declared(NamedTuple):
    """`late`: what was known before, in words; empty where nothing was, as it should be."""

    gate: GateConfig
    late: str


def declared(ledger: Ledger, study_id: str) -> Declared | None:
    """None before the study's first cycle, or where only an ARC that declared nothing has had it."""
    told = next(ledger.entries(kind="gate.declared", subject=study_id), None)
    return None if told is None else Declared(GateConfig.model_validate(told.event.facts), told.event.reason)


def check(ledger: Ledger, study_id: str, config: GateConfig) -> None:
    """ConfigError where the study has declared another gate."""
    before = declared(ledger, study_id)
    if before is None or before.gate == config:
        return
    was, now = (gate.model_dump(mode="json") for gate in (before.gate, config))
    changed = [name for name in was if was[name] != now[name]]
    raise ConfigError(
        f"{study_id} has declared {_in_words(was, changed)}, got {_in_words(now, changed)}",
        where="gate",
        cure="Leave it as it was declared, or begin another study, for example with another data.folds.",
    )


def declare(memory: Memory, study_id: str, config: GateConfig) -> None:
    """The first time only; whoever calls it has checked."""
    if declared(memory.ledger, study_id) is not None:
        return
    known = sum(outcome.result is not None for outcome in memory.outcomes(study_id))
    late = f"results that were known before: {known}; the study began with an ARC that declared nothing"
    facts = config.model_dump(mode="json")
    memory.ledger.append(event("gate.declared", study_id, facts=facts, reason=late if known else ""))


def _in_words(gate: dict[str, object], names: list[str]) -> str:
    return ", ".join(f"{name}={'null' if gate[name] is None else gate[name]}" for name in names)
