"""What a study has cost: time, GPUs, language models."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from arc_core.experiments.board import OFFLINE
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
    """All cycles so far; of a cycle that is still open, up to now; of one that is only planned, none."""
    held, now = memory.leases.held_in(study.id), datetime.now(UTC)
    begun = (cycle for cycle in memory.cycles(study.id) if cycle.status != "planned")
    spans = ((cycle.ended or now) - cycle.started for cycle in begun if cycle.started)
    asked = [card for card in cards if card.mind != OFFLINE]
    prices = [card.usd for card in asked]
    return Costs(
        wall_hours=sum(spans, timedelta()).total_seconds() / 3600,
        gpu_hours=sum(each.gpus * each.hours for each in held),
        cpu_hours=sum(each.hours for each in held if not each.gpus),
        calls=sum(card.calls for card in asked),
        tokens=sum(card.tokens for card in asked),
        usd=None if None in prices else sum(price for price in prices if price is not None),
    )


def duration(hours: float) -> str:
    """In the unit that suits: `40 s`, `12 min`, `3.5 h`."""
    if hours < 0.025:
        return f"{3600 * hours:.0f} s"
    return f"{60 * hours:.0f} min" if hours < 2 else f"{hours:,.1f} h"
