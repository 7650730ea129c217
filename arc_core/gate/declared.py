"""What a study's gate is set to: declared before the first training, in the ledger, and kept to the end.

Whoever could change it once results are known could choose whom it lets through.
"""

from arc_core.errors import ConfigError
from arc_core.experiments.events import event
from arc_core.experiments.ledger import Ledger
from arc_core.gate.verdict import GateConfig


def declared(ledger: Ledger, study_id: str) -> GateConfig | None:
    """None before the study's first cycle, or where an ARC that declared nothing had it."""
    told = next(ledger.entries(kind="gate.declared", subject=study_id), None)
    return None if told is None else GateConfig.model_validate(told.event.facts)


def check(ledger: Ledger, study_id: str, config: GateConfig) -> None:
    """ConfigError where the study has declared another gate."""
    before = declared(ledger, study_id)
    if before is None or before == config:
        return
    was, now = (gate.model_dump(mode="json") for gate in (before, config))
    changed = [name for name in was if was[name] != now[name]]
    raise ConfigError(
        f"{study_id} has declared {_in_words(was, changed)} before its first training, "
        f"got {_in_words(now, changed)}",
        where="gate",
        cure="Leave it as it was declared, or begin another study, for example with another data.split_seed.",
    )


def declare(ledger: Ledger, study_id: str, config: GateConfig) -> None:
    """The first time only; whoever calls it has checked."""
    if declared(ledger, study_id) is None:
        ledger.append(event("gate.declared", study_id, facts=config.model_dump(mode="json")))


def _in_words(gate: dict[str, object], names: list[str]) -> str:
    return ", ".join(f"{name}={'null' if gate[name] is None else gate[name]}" for name in names)
