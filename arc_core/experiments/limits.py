"""The safety limits the supervisor holds, on the spec itself. Pure."""

from collections.abc import Mapping
from math import inf
from typing import Literal

from pydantic import Field

from arc_core.experiments.spec import ExperimentSpec, Value
from arc_core.record import Record

Severity = Literal["medium", "high", "critical"]

OPTIMISERS = {"adam": 0.01, "adamw": 0.01, "sgd": 0.1}  # name → highest safe learning rate
MAX_PARAMETERS = 10_000_000
MAX_GPU_MEMORY_MIB = 5 * 1024


class Violation(Record):
    """One broken limit. Critical is vetoed, high must be revised, medium is remarked on."""

    severity: Severity
    path: str
    value: Value
    limit: str

    def __str__(self) -> str:
        return f"{self.path} = {self.value} ({self.severity}: {self.limit})"


class ForbiddenRange(Record):
    """Values *inside* it are forbidden. `taught_by`: the experiment that shows why.

    The board and the training plan hold whatever ranges they are given; `arc_core.agents.forbidden`
    learns them.
    """

    path: str
    low: float
    high: float
    taught_by: str
    when: dict[str, Value] = Field({}, description="paths that must hold these values for it to count")

    def holds(self, value: object) -> bool:
        return isinstance(value, int | float) and self.low <= value <= self.high

    def forbids(self, flat: Mapping[str, Value]) -> bool:
        """Whether a spec of these values lies inside."""
        counts = all(flat.get(path) == value for path, value in self.when.items())
        return counts and self.holds(flat.get(self.path))


def violations(
    spec: ExperimentSpec, losses: frozenset[str], forbidden: tuple[ForbiddenRange, ...] = ()
) -> tuple[Violation, ...]:
    """Every limit `spec` breaks, worst first. `losses`: the losses that exist for its task."""
    flat = spec.flat()
    lr, optimiser = spec.optimiser.lr, spec.optimiser.name
    highest_lr = OPTIMISERS.get(optimiser, 0.01)
    params = spec.loss.params
    rules: tuple[tuple[bool, Severity, str, str], ...] = (
        (optimiser not in OPTIMISERS, "critical", "optimiser.name", f"known are {', '.join(OPTIMISERS)}"),
        (spec.loss.name not in losses, "critical", "loss.name", f"known are {', '.join(sorted(losses))}"),
        (lr > highest_lr, "critical", "optimiser.lr", f"at most {highest_lr} for {optimiser}"),
        (spec.batch_size > 64, "critical", "batch_size", "at most 64 per GPU"),
        (spec.epochs > 200, "critical", "epochs", "at most 200"),
        (lr < 1e-6, "high", "optimiser.lr", "at least 1e-6"),
        (spec.batch_size < 2, "high", "batch_size", "at least 2"),
        (spec.architecture.dropout > 0.7, "high", "architecture.dropout", "at most 0.7"),
        (spec.epochs < 3, "high", "epochs", "at least 3"),
        (params.get("gamma", 0) > 3, "high", "loss.params.gamma", "at most 3"),
        (params.get("smoothing", 0) > 0.15, "high", "loss.params.smoothing", "at most 0.15"),
        (params.get("beta", inf) < params.get("alpha", 0), "high", "loss.params.beta", "not under alpha"),
        (not 1e-5 <= lr <= 1e-3, "medium", "optimiser.lr", "usually from 1e-5 to 1e-3"),
        (not 128 <= spec.image_size_px <= 1024, "medium", "image_size_px", "usually from 128 to 1024"),
        (100 < spec.epochs <= 200, "medium", "epochs", "usually at most 100"),
    )
    found = [
        Violation(severity=severity, path=path, value=flat[path], limit=limit)
        for broken, severity, path, limit in rules
        if broken
    ]
    found += [
        Violation(
            severity="critical",
            path=bad.path,
            value=flat[bad.path],
            limit=f"forbidden from {bad.low} to {bad.high}, taught by {bad.taught_by}",
        )
        for bad in forbidden
        if bad.forbids(flat)
    ]
    order = {"critical": 0, "high": 1, "medium": 2}
    return tuple(sorted(found, key=lambda violation: order[violation.severity]))
