"""How far a cycle filled its GPUs. Pure, but for `told_of_gpus`, which reads the store."""

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from arc_core.experiments.memory import Memory
from arc_core.experiments.sample import Sample, Watch
from arc_core.experiments.study import Cycle
from arc_core.record import Record

TARGET_PERCENT = 85.0
GAP = 3.0  # intervals without a reading, after which a line is broken and a job counts as gone
MOST_POINTS = 600  # of a line: more than a plot has pixels for


class Moment(Record):
    """Means over one point of a plot; nan where there was no reading, or where the card tells nothing."""

    minutes: float
    utilisation_percent: float
    memory_percent: float


class Bar(Record):
    """A job on a GPU, from the first to the last reading that found it there.

    `lane`: jobs that share a GPU at the same time have different ones.
    """

    label: str
    start_minutes: float
    end_minutes: float
    lane: int


class Load(Record):
    """What one GPU did. `training_percent`: mean utilisation over the readings with a job on it."""

    gpu_index: int
    name: str
    line: tuple[Moment, ...]
    bars: tuple[Bar, ...]
    job_share: float
    training_percent: float | None
    percent: float | None
    peak_memory_mib: float
    memory_total_mib: float

    @property
    def lanes(self) -> int:
        return 1 + max((bar.lane for bar in self.bars), default=0)


def told_of_gpus(memory: Memory, cycle: Cycle) -> dict[str, Any]:
    """What the report's section on the GPUs is made of."""
    watches, samples = memory.samples.watches(cycle.id), memory.samples.of_cycle(cycle.id)
    ids = {job for sample in samples for job in sample.jobs}
    labels = {
        each.id: f"#{each.number}" if each.repeat_of is None else "repeat"
        for each in memory.experiments(cycle.study_id, ids)
    }
    return {
        "gpu_watches": watches,
        "gpu_loads": loads(samples, watches, labels),
        "gpu_simulated": any(sample.simulated for sample in samples),
        "gpu_words": in_words(samples),
    }


def loads(samples: Sequence[Sample], watches: Sequence[Watch], labels: Mapping[str, str]) -> tuple[Load, ...]:
    """GPU by GPU. `samples`: of one cycle, oldest first. `labels`: what the report calls an experiment."""
    names = {index: name for watch in watches for index, name in watch.gpus.items()}
    gap_s = GAP * max((watch.interval_s for watch in watches), default=math.inf)
    by_gpu: dict[int, list[Sample]] = {}
    for sample in samples:
        by_gpu.setdefault(sample.gpu_index, []).append(sample)
    return tuple(
        Load(
            gpu_index=index,
            name=names.get(index, ""),
            line=_line(own, samples[0], gap_s),
            bars=_bars(own, samples[0], gap_s, labels),
            job_share=sum(bool(sample.jobs) for sample in own) / len(own),
            training_percent=_mean(sample.utilisation_percent for sample in own if sample.jobs),
            percent=_mean(sample.utilisation_percent for sample in own),
            peak_memory_mib=max(sample.memory_used_mib for sample in own),
            memory_total_mib=own[-1].memory_total_mib,
        )
        for index, own in sorted(by_gpu.items())
    )


def in_words(samples: Iterable[Sample]) -> str:
    """Mean utilisation against the target, over all readings of GPUs with an experiment on them."""
    trained = [sample.utilisation_percent for sample in samples if sample.jobs]
    if not trained:
        return (
            "No reading found an experiment on a GPU, so there is no utilisation to hold against the target."
        )
    mean = _mean(trained)
    if mean is None:
        return "These GPUs do not tell their utilisation."
    return (
        f"While experiments trained on them, the GPUs were in use {mean:.1f} % of the time on average: "
        f"the target of {TARGET_PERCENT:.0f} % is {'met' if mean >= TARGET_PERCENT else 'not met'}."
    )


def _line(samples: Sequence[Sample], first: Sample, gap_s: float) -> tuple[Moment, ...]:
    size = math.ceil(len(samples) / MOST_POINTS)
    line: list[Moment] = []
    for stretch in _stretches(samples, gap_s):
        if line:
            line.append(
                Moment(minutes=line[-1].minutes, utilisation_percent=math.nan, memory_percent=math.nan)
            )
        line += [_moment(stretch[i : i + size], first) for i in range(0, len(stretch), size)]
    return tuple(line)


def _moment(group: Sequence[Sample], first: Sample) -> Moment:
    used = _mean(sample.utilisation_percent for sample in group)
    return Moment(
        minutes=statistics.fmean(_minutes(sample, first) for sample in group),
        utilisation_percent=math.nan if used is None else used,
        memory_percent=statistics.fmean(
            100 * sample.memory_used_mib / sample.memory_total_mib if sample.memory_total_mib else math.nan
            for sample in group
        ),
    )


def _bars(
    samples: Sequence[Sample], first: Sample, gap_s: float, labels: Mapping[str, str]
) -> tuple[Bar, ...]:
    """A bar for every stretch of readings that found the same job, by its start."""
    found: dict[str, list[Sample]] = {}
    for sample in samples:
        for job in sample.jobs:
            found.setdefault(job, []).append(sample)
    spans = sorted(
        (_minutes(stretch[0], first), _minutes(stretch[-1], first), labels.get(job, job))
        for job, own in found.items()
        for stretch in _stretches(own, gap_s)
    )
    ends: list[float] = []  # of each lane's last bar
    made = []
    for start, end, label in spans:
        lane = next((lane for lane, taken in enumerate(ends) if taken < start), len(ends))
        ends[lane : lane + 1] = [end]
        made.append(Bar(label=label, start_minutes=start, end_minutes=end, lane=lane))
    return tuple(made)


def _stretches(samples: Sequence[Sample], gap_s: float) -> list[list[Sample]]:
    """Readings that follow each other closely."""
    stretches = [[samples[0]]]
    for before, after in pairwise(samples):
        if (after.at - before.at).total_seconds() > gap_s:
            stretches.append([])
        stretches[-1].append(after)
    return stretches


def _minutes(sample: Sample, first: Sample) -> float:
    return (sample.at - first.at).total_seconds() / 60


def _mean(values: Iterable[float | None]) -> float | None:
    told = [value for value in values if value is not None]
    return statistics.fmean(told) if told else None
