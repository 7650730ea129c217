"""What every store must do with the series of the GPUs."""

from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy.exc import IntegrityError

from arc_core.experiments.lease import Lease, Request
from arc_core.experiments.memory import Memory
from arc_core.experiments.sample import Sample, Watch, jobs_of
from tests.contracts.records import STUDY

START = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def sample(gpu_index: int, second: int, **fields: object) -> Sample:
    return Sample.model_validate(
        {
            "at": START + timedelta(seconds=second),
            "gpu_index": gpu_index,
            "memory_used_mib": 1024.5,
            "memory_total_mib": 46_068,
            "simulated": False,
        }
        | fields
    )


def test_a_series_comes_back_by_time_and_gpu_with_what_no_card_told(memory: Memory) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    told = {"utilisation_percent": 91.0, "temperature_c": 60.0, "fan_percent": 0.0, "power_w": 250.5}
    early = [sample(1, 0, **told, jobs=("exp-1", "exp-2")), sample(0, 0, simulated=True)]
    memory.samples.keep(cycle.id, [sample(0, 5)])
    memory.samples.keep(cycle.id, early)
    memory.samples.keep(cycle.id, [])
    kept = memory.samples.of_cycle(cycle.id)
    assert kept == (early[1], early[0], sample(0, 5))
    assert {each.at.utcoffset() for each in kept} == {timedelta(0)}
    assert (kept[0].utilisation_percent, kept[1].fan_percent) == (None, 0.0)


def test_a_moment_is_the_same_whatever_the_zone_it_is_told_in(memory: Memory) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    there = timezone(timedelta(hours=9))
    memory.samples.keep(cycle.id, [sample(0, 0, at=START.astimezone(there))])
    assert [each.at for each in memory.samples.of_cycle(cycle.id)] == [START]


def test_each_cycle_has_its_own_series(memory: Memory) -> None:
    first = memory.begin_cycle(STUDY.id)
    memory.end_cycle(first.id)
    second = memory.begin_cycle(STUDY.id)
    memory.samples.keep(second.id, [sample(0, 0)])
    assert memory.samples.of_cycle(first.id) == ()
    assert len(memory.samples.of_cycle(second.id)) == 1


def test_totals_are_by_cycle_and_gpu_and_hold_what_the_readings_come_to(memory: Memory) -> None:
    first = memory.begin_cycle(STUDY.id)
    used = [
        sample(0, 0, utilisation_percent=90.0, jobs=("exp-1",), memory_used_mib=2000),
        sample(0, 5, utilisation_percent=80.0, jobs=("exp-1",)),
        sample(0, 10, utilisation_percent=0.0),
        sample(0, 15, utilisation_percent=10.0),
        sample(1, 0, simulated=True),
    ]
    memory.samples.keep(first.id, used)
    memory.end_cycle(first.id)
    second = memory.begin_cycle(STUDY.id)
    memory.samples.keep(second.id, [sample(0, 20)])
    busy, silent = memory.samples.totals([first.id])
    assert (busy.cycle_id, busy.gpu_index, busy.job_share, busy.peak_memory_mib) == (first.id, 0, 0.5, 2000)
    assert (busy.training_percent, busy.percent, busy.simulated) == (85, 45, False)
    assert (silent.gpu_index, silent.training_percent, silent.percent) == (1, None, None)
    assert silent.simulated
    assert [each.cycle_id for each in memory.samples.totals([second.id, first.id])][-1] == second.id
    assert memory.samples.totals([]) == ()


def test_a_batch_is_kept_whole_or_not_at_all(memory: Memory) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    with pytest.raises(IntegrityError):
        memory.samples.keep(cycle.id, [sample(0, 0), sample(0, 1), sample(0, 0)])
    assert memory.samples.of_cycle(cycle.id) == ()


def test_the_newest_word_of_a_watch_counts_and_a_resumed_cycle_has_two(memory: Memory) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    later = Watch(started=START + timedelta(hours=1), interval_s=5)
    watch = Watch(started=START, interval_s=5, gpus={0: "A40"}, readings=1)
    ended = watch.model_copy(update={"readings": 9, "failed": 1, "fault": "lost", "ended": later.started})
    for each in (later, watch, ended):
        memory.samples.keep_watch(cycle.id, each)
    assert memory.samples.watches(cycle.id) == (ended, later)


def test_jobs_are_what_holds_a_lease_on_a_gpu(memory: Memory) -> None:
    def lease(experiment_id: str | None, gpus: tuple[int, ...], *, granted: bool = True) -> Lease:
        purpose = "training" if experiment_id else "inference"
        request = Request(experiment_id=experiment_id, memory_mib=1, purpose=purpose)
        planned = Lease.planned(request, gpus)
        return planned if granted else planned.model_copy(update={"granted": None})

    two, on_cpu, model = lease("exp-1", (0, 1)), lease("exp-2", ()), lease(None, (2,))
    jobs = jobs_of([two, on_cpu, lease("exp-3", (), granted=False), model])
    assert [(job.gpu_index, job.name) for job in jobs] == [(0, "exp-1"), (1, "exp-1"), (2, "inference")]
    assert {job.since for job in jobs[:2]} == {two.granted}


def test_a_copy_has_the_series_too(memory: Memory, tmp_path: Path) -> None:
    cycle = memory.begin_cycle(STUDY.id)
    memory.samples.keep(cycle.id, [sample(0, 0)])
    memory.samples.keep_watch(cycle.id, Watch(started=START, interval_s=5))
    with closing(Memory(f"sqlite:///{tmp_path / 'copy.db'}")) as copy:
        memory.copy_to(copy)
        assert copy.samples.of_cycle(cycle.id) == memory.samples.of_cycle(cycle.id)
        assert copy.samples.watches(cycle.id) == memory.samples.watches(cycle.id)
