"""The Pareto front in words: who is on it, who is not and why, and how much it dominates.

Pure, but for `told_of_front`, which reads the store.
"""

from collections.abc import Iterable
from typing import Any

from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.objectives import Objectives, in_words
from arc_core.experiments.study import Study
from arc_core.gate.front import Contender, Front, front_of
from arc_core.record import Record
from arc_core.report.front_plot import picture_of
from arc_core.report.page import inline

SHOWN = 20
"""Experiments named one by one, before only their number is told."""


class FrontSection(Record):
    """What `front.md.j2` says. `beside`: how many more than `rows` are on the front."""

    objectives: tuple[str, ...]
    absent: tuple[str, ...]
    corner: str
    volumes: tuple[str, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str | Estimate, ...], ...]
    beside: int
    dominated: int
    breaking: tuple[int, str]
    unmeasured: tuple[int, str]
    champion: str


def told_of_front(memory: Memory, study: Study, objectives: Objectives, *, cycle: int) -> dict[str, Any]:
    """What `front.md.j2` is made of, up to that cycle; without objectives there is no front."""
    if not objectives:
        return {"front": None}
    champion = memory.champion(study.id)
    champion_id = champion.id if champion else None
    front = front_of([each for each in memory.outcomes(study.id) if each.cycle <= cycle], objectives)
    return {
        "front": section_of(front, objectives, champion_id),
        "front_picture": inline(picture_of(front, objectives, champion_id)),
    }


def section_of(front: Front, objectives: Objectives, champion_id: str | None) -> FrontSection:
    """Of all the study's experiments up to now, the best in the first objective on top."""
    on = sorted(front.at("front"), key=lambda each: _rank(each, front))
    champion = next((each for each in front.contenders if each.experiment_id == champion_id), None)
    return FrontSection(
        objectives=tuple(in_words(name, objective) for name, objective in objectives.items()),
        absent=tuple(METRICS[name].label for name in front.absent),
        corner=", ".join(f"{METRICS[name].label} {METRICS[name].worst:g}" for name in front.axes),
        volumes=tuple(f"{volume.value:.3f}" for volume in front.volumes),
        columns=("#", *(f"{METRICS[name].label} [95 %]" for name in front.axes), "cycle", "experiment"),
        rows=tuple(_row(each, front, champion) for each in on[:SHOWN]),
        beside=max(len(on) - SHOWN, 0),
        dominated=len(front.at("dominated")),
        breaking=_listed(front.at("constraint")),
        unmeasured=_listed(front.at("unmeasured")),
        champion=_standing(champion) if champion else "",
    )


def _rank(contender: Contender, front: Front) -> tuple[float, int]:
    first = front.axes[0]
    return -METRICS[first].gain(contender.metrics[first].value, over=0.0), contender.number


def _row(contender: Contender, front: Front, champion: Contender | None) -> tuple[str | Estimate, ...]:
    values = (contender.metrics[name] for name in front.axes)
    mark = ", champion" if contender == champion else ""
    return str(contender.number), *values, str(contender.cycle), contender.experiment_id + mark


def _listed(contenders: Iterable[Contender]) -> tuple[int, str]:
    """How many, and the latest of them with the values, or the metrics without one, that keep them off."""
    contenders = tuple(contenders)
    named = [f"#{each.number} ({_why(each)})" for each in contenders[-SHOWN:]]
    left_out = [f"{len(contenders) - SHOWN} before"] if len(contenders) > SHOWN else []
    return len(contenders), ", ".join(left_out + named)


def _why(contender: Contender) -> str:
    found = contender.metrics
    return ", ".join(
        f"{METRICS[name].label} {found[name].value:.4f}" if name in found else f"no {METRICS[name].label}"
        for name in contender.why
    )


def _standing(champion: Contender) -> str:
    """The gate knows the primary metric only, so the champion may be anywhere."""
    stands = {
        "front": "is on the front",
        "dominated": "is dominated by another experiment",
        "constraint": f"breaks a constraint ({_why(champion)})",
        "unmeasured": f"was not measured in all objectives ({_why(champion)})",
    }
    return f"#{champion.number} {stands[champion.place]}"
