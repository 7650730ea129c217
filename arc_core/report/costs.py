"""What a study has cost: time, GPUs, language models."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from arc_core.experiments.board import OFFLINE
from arc_core.experiments.lease import Lease
from arc_core.experiments.memory import Memory
from arc_core.experiments.study import Study
from arc_core.record import Record
from arc_core.report.scorecards import Scorecard


class Costs(Record):
    """`gpu_hours`: of leases on GPUs, held to their end; `cpu_hours`: of those without a GPU.

    `usd` is None where the price of a model is not known.
    """

    wall_hours: float
    gpu_hours: float
    cpu_hours: float
    calls: int
    tokens: int
    usd: float | None


def costs_of(memory: Memory, study: Study, cards: Iterable[Scorecard]) -> Costs:
    """All cycles so far; of a cycle that is still open, up to now."""
    leases, now = memory.leases.of_study(study.id), datetime.now(UTC)
    asked = [card for card in cards if card.mind != OFFLINE]
    prices = [card.usd for card in asked]
    return Costs(
        wall_hours=_hours(
            (cycle.ended or now) - cycle.started for cycle in memory.cycles(study.id) if cycle.started
        ),
        gpu_hours=_held(leases, now, on_gpus=True),
        cpu_hours=_held(leases, now, on_gpus=False),
        calls=sum(card.calls for card in asked),
        tokens=sum(card.tokens for card in asked),
        usd=None if None in prices else sum(price for price in prices if price is not None),
    )


def duration(hours: float) -> str:
    """In the unit that suits: `40 s`, `12 min`, `3.5 h`."""
    if hours < 0.025:
        return f"{3600 * hours:.0f} s"
    return f"{60 * hours:.0f} min" if hours < 2 else f"{hours:,.1f} h"


def _held(leases: Sequence[Lease], now: datetime, *, on_gpus: bool) -> float:
    return _hours(
        ((lease.released or now) - lease.granted) * max(len(lease.gpu_ids), 1)
        for lease in leases
        if lease.granted is not None and bool(lease.gpu_ids) == on_gpus
    )


def _hours(spans: Iterable[timedelta]) -> float:
    return sum(spans, timedelta()).total_seconds() / 3600
