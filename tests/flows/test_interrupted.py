"""A cycle that is killed is taken up where it stopped; while it lives, no other may start."""

import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.command import TWO, Finished, copied, memory_in, run_cycle, start_cycle

COLD = {"ARC_WARM_WORKERS": "false"}
"""Warm, so small a study is trained before anybody can interrupt it."""


@dataclass(frozen=True, kw_only=True)
class Killed:
    """A home whose cycle was killed in its second training."""

    home: Path
    pid: int
    busy: Finished
    done: dict[Path, tuple[bytes, int]]
    results: dict[str, object]


@pytest.fixture(scope="module")
def killed(second_cycle, prefect_server, tmp_path_factory) -> Killed:
    """A third cycle, one training at a time, SIGKILLed once a training and a fold of the next are done."""
    home = tmp_path_factory.mktemp("killed") / "home"
    copied(second_cycle.home, home)
    trained, sealed = plans(home), len(folds(home))
    alone = {"PREFECT_API_URL": prefect_server, "ARC_MAX_CONCURRENT_JOBS": "1"} | COLD
    process = start_cycle(home, *TWO, **alone)
    try:
        wait_until(lambda: plans(home) > trained, process)
        busy = run_cycle(home, *TWO, **alone)
        wait_until(lambda: len(folds(home)) >= sealed + 3, process)
    finally:
        process.kill()
        process.communicate()
    while workers(home):  # they follow their parent within a second
        time.sleep(0.1)
    done = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folds(home)}
    return Killed(home=home, pid=process.pid, busy=busy, done=done, results=results(home))


@pytest.fixture(scope="module")
def resumed(killed, prefect_server) -> Finished:
    """The same command again."""
    return run_cycle(killed.home, *TWO, PREFECT_API_URL=prefect_server)


def folds(home: Path) -> list[Path]:
    return sorted((home / "runs").glob("*/fold-*/done.json"))


def plans(home: Path) -> int:
    return len(list((home / "runs").glob("*/plan.json")))


def results(home: Path) -> dict[str, object]:
    memory = memory_in(home)
    (study,) = memory.studies()
    return {e.id: memory.result(e.id) for e in memory.experiments(study) if e.outcome.status == "finished"}


def workers(home: Path) -> list[psutil.Process]:
    """The trainings that run in a home."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(home / "runs") in part for part in process.info["cmdline"] or ())
    ]


def wait_until(happened, process) -> None:
    while not happened():
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)  # a fold takes a tenth of a second


def test_a_second_cycle_in_the_same_home_is_refused(killed):
    assert killed.busy.code == 1
    assert killed.busy.err.startswith("CycleBusy: ")
    assert f"pid {killed.pid}" in killed.busy.err
    assert str(killed.home) in killed.busy.err
    assert len(killed.busy.err.splitlines()) == 1


def test_the_same_cycle_is_finished(killed, resumed):
    assert resumed.code == 0, resumed.err
    assert "ARC cycle 3 ·" in resumed.out
    assert [cycle.status for cycle in resumed.memory.cycles(resumed.study)] == ["finished"] * 3
    statuses = {experiment.outcome.status for experiment in resumed.memory.experiments(resumed.study)}
    assert statuses == {"finished"}


def test_what_had_finished_is_not_trained_again(killed, resumed):
    assert killed.results.items() <= results(resumed.home).items()
    assert len(killed.results) < len(results(resumed.home))
    for path, (content, modified) in killed.done.items():
        assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, modified), path


def test_each_experiment_is_judged_once(resumed):
    judged = [verdict.experiment_id for verdict in resumed.memory.verdicts(resumed.study)]
    assert sorted(judged) == sorted(results(resumed.home))
