"""Who trains what, on every store: the line, the lease, and what becomes of it when its job dies."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import psutil
import pytest

from arc_core.errors import LeaseLost, NoRoom
from arc_core.experiments.database import Database
from arc_core.experiments.heartbeat import Heartbeat
from arc_core.experiments.holder import Holder
from arc_core.experiments.lease import Lease, Request
from arc_core.experiments.leases import Leases
from arc_core.experiments.memory import Memory
from arc_core.gpu.allocation import Policy, allocate
from arc_core.gpu.inventory import Gpu
from tests.contracts.records import RESULT, STUDY, approve

PLACES = 3
POLICY = Policy(training_gpus=(0, 1), inference_gpu=2, max_concurrent_jobs=PLACES)
GPUS = tuple(
    Gpu(index=index, uuid=f"GPU-{index}", name="test", memory_total_mib=48_000, memory_used_mib=0)
    for index in range(3)
)
ELSEWHERE = Holder.this_process().model_copy(update={"host": "another host"})


@pytest.fixture
def leases(memory: Memory) -> Leases:
    return memory.leases


def ask(
    leases: Leases,
    experiment: str | None = None,
    holder: Holder | None = None,
    on_gpus=None,
    **fields: object,
) -> Lease | None:
    request = Request(experiment_id=experiment, memory_mib=1000, **fields)
    return leases.ask(request, holder or Holder.this_process(), on_gpus or {})


def take(leases: Leases, lease: Lease, on_gpus=None, gpus: tuple[Gpu, ...] = GPUS) -> Lease | None:
    choose = partial(allocate, gpus, request=lease.request, policy=POLICY)
    return leases.take(lease, choose, on_gpus or {})


def test_a_lease_from_its_place_in_line_to_its_end(memory: Memory) -> None:
    leases, (only,) = memory.leases, approve(memory, 1)
    asked = ask(leases, only)
    assert (asked.granted, asked.gpu_ids, memory.experiment(only).outcome.status) == (None, (), "approved")
    assert leases.is_next(asked, PLACES)
    held = take(leases, asked)
    assert held.gpu_ids == (0,)
    assert held.asked <= held.granted == held.heartbeat < held.expires
    assert (leases.live(), leases.held()) == ((held,), (held,))
    assert memory.experiment(only).outcome.status == "running"
    leases.free(held)
    assert leases.live() == ()
    (ended,) = leases.of_study(STUDY.id)
    assert leases.of_cycle(memory.begin_cycle(STUDY.id).id) == (ended,)
    assert (ended.gpu_ids, ended.granted) == ((0,), held.granted)
    assert ended.released >= ended.granted


def test_an_experiment_is_one_jobs_at_a_time_and_no_ones_once_it_has_ended(memory: Memory) -> None:
    (only,) = approve(memory, 1)
    first = ask(memory.leases, only)
    assert ask(memory.leases, only) is None, "it waits in line"
    held = take(memory.leases, first)
    assert ask(memory.leases, only) is None, "it trains"
    memory.keep_stop(only, "no time left", held.id)
    memory.leases.free(held)
    again = take(memory.leases, ask(memory.leases, only))
    memory.keep_result(only, RESULT, again.id)
    memory.leases.free(again)
    assert ask(memory.leases, only) is None, "it has ended"


def test_first_come_first_served_within_a_priority(leases: Leases) -> None:
    low, early, late, urgent = (ask(leases, priority=priority) for priority in (4, 5, 5, 9))
    line = [urgent, early, late, low]
    for first in line[:PLACES]:
        assert [leases.is_next(each, PLACES) for each in line] == [each is first for each in line]
        assert [take(leases, each) for each in line if each is not first and each not in leases.held()][
            -1
        ] is None
        held = take(leases, first)
        assert held is not None
        line = [each for each in line if each is not first] + [first]
    (waits,) = (lease for lease in leases.live() if lease.granted is None)
    assert waits == low
    assert not leases.is_next(low, PLACES), "all places are taken"
    with pytest.raises(NoRoom, match="3 of 3 places"):
        take(leases, low)
    leases.free(urgent)
    assert leases.is_next(low, PLACES)
    assert take(leases, low)


def test_what_finds_no_room_stays_first_in_line(leases: Leases) -> None:
    """Or a small job after the other would keep a large one waiting for ever."""
    full = tuple(gpu.model_copy(update={"memory_used_mib": 47_500.0}) for gpu in GPUS)
    large, small = ask(leases), ask(leases)
    with pytest.raises(NoRoom, match=r"GPU 0 has 0\.5 of 46\.9 GiB free"):
        take(leases, large, gpus=full)
    assert take(leases, small) is None
    assert take(leases, large)


def test_who_is_no_longer_in_line_is_told(leases: Leases) -> None:
    gone = ask(leases)
    leases.free(gone)
    assert leases.is_next(gone, PLACES)
    with pytest.raises(LeaseLost):
        take(leases, gone)


def test_an_inference_server_waits_for_no_training(leases: Leases) -> None:
    for _ in range(PLACES):
        take(leases, ask(leases))
    ask(leases)
    assert take(leases, ask(leases, purpose="inference")).gpu_ids == (2,)


HOLD = """
import sys, time
from arc_core.experiments.holder import Holder
from arc_core.experiments.lease import Request
from arc_core.experiments.memory import Memory
leases = Memory(sys.argv[1]).leases
lease = leases.ask(Request(experiment_id=sys.argv[2] or None, memory_mib=1), Holder.this_process(), {})
if sys.argv[3] == "hold":
    leases.take(lease, lambda held: (0,), {})
print(lease.id, flush=True)
time.sleep(600)
"""


def job(url: str, experiment: str = "", state: str = "hold") -> "tuple[subprocess.Popen[str], int]":
    """A process that holds a lease, or waits for one, and the lease's id."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, url, experiment, state], stdout=subprocess.PIPE, text=True
    )
    return process, int(process.stdout.readline())


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.communicate()


def test_what_a_killed_job_held_is_free_at_once(memory: Memory, store_url: str) -> None:
    (only,) = approve(memory, 1)
    process, lease_id = job(store_url, only)
    assert ask(memory.leases, only) is None
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # a zombie, as its parent has not asked yet
    assert memory.leases.live() == ()
    assert take(memory.leases, ask(memory.leases, only)).gpu_ids == (0,)
    assert memory.leases.get(lease_id).released is not None
    end(process)


def test_a_dead_job_in_line_holds_up_nobody(leases: Leases, store_url: str) -> None:
    process, _ = job(store_url, state="wait")
    mine = ask(leases)
    assert not leases.is_next(mine, PLACES)
    end(process)
    assert leases.is_next(mine, PLACES)
    assert take(leases, mine)


def test_a_dead_jobs_lease_stays_until_its_worker_has_ended(leases: Leases, store_url: str) -> None:
    process, lease_id = job(store_url)
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    leases.used_by(leases.get(lease_id), [Holder.of(worker.pid)])
    end(process)
    take(leases, ask(leases))
    kept = leases.get(lease_id)
    assert kept in leases.held()
    assert kept.left_behind == f"pid {process.pid} on {kept.holder.host} died and left pid {worker.pid}"
    worker.kill()
    worker.wait()
    assert [lease.id for lease in leases.held()] == [lease_id + 1]


def test_what_the_driver_still_sees_of_an_ended_job_keeps_its_gpu(leases: Leases) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    worker = Holder.of(ended.pid)
    ended.wait()
    held = take(leases, ask(leases))
    leases.used_by(held, [worker])
    leases.leave_behind(held, "its process is still on GPU 0")
    seen = {0: (worker.pid,), 1: ()}
    assert leases.live(seen) == (leases.get(held.id),)
    other = take(leases, ask(leases, on_gpus=seen), seen)
    assert other.gpu_ids == (1,), "GPU 0 has a job, the other none"
    seen = {0: (1,), 1: (worker.pid,)}
    take(leases, ask(leases, on_gpus=seen), seen)
    assert leases.get(held.id).released is not None


class Clock:
    """The store's clock, set by hand."""

    now = datetime(2026, 1, 1, tzinfo=UTC)

    def forward(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(Database, "clock", lambda database, connection: clock.now)
    return clock


def test_another_hosts_lease_is_free_once_it_has_run_out(memory: Memory, clock: Clock) -> None:
    (only,) = approve(memory, 1)
    far = take(memory.leases, ask(memory.leases, only, ELSEWHERE, length_s=60))
    clock.forward(50)
    assert memory.leases.beat(far)
    clock.forward(59)
    assert ask(memory.leases, only) is None
    assert memory.leases.held()
    clock.forward(1)
    assert memory.leases.held() == ()
    mine = take(memory.leases, ask(memory.leases, only))
    assert not memory.leases.beat(far), "it hears that it has lost it"
    with pytest.raises(LeaseLost, match=f"lease {far.id} has run out"):
        memory.keep_result(only, RESULT, far.id)
    with pytest.raises(LeaseLost):
        memory.keep_failure(only, "out of memory", far.id)
    memory.keep_stop(only, "its lease ran out", far.id)
    assert memory.experiment(only).outcome.status == "running", "the other trains it"
    memory.keep_result(only, RESULT, mine.id)
    assert memory.result(only) == RESULT


def test_silence_alone_ends_nothing_on_the_same_host(leases: Leases, clock: Clock) -> None:
    held, waiting = take(leases, ask(leases)), ask(leases)
    clock.forward(7200)
    assert leases.live() == (held,), "a machine that slept has its trainings still"
    assert take(leases, ask(leases)), "but who is silent in line loses the place"
    with pytest.raises(LeaseLost):
        take(leases, waiting)


def test_a_clock_that_is_set_back_keeps_a_dead_job_no_longer_than_a_lease(
    leases: Leases, clock: Clock
) -> None:
    far = take(leases, ask(leases, holder=ELSEWHERE, length_s=60))
    clock.forward(-3600)
    take(leases, ask(leases))
    clock.forward(59)
    assert far.id in {lease.id for lease in leases.held()}
    clock.forward(1)
    assert far.id not in {lease.id for lease in leases.held()}


def test_a_heartbeat_keeps_a_lease_and_notices_its_loss(leases: Leases) -> None:
    held = take(leases, ask(leases, length_s=0.6))
    with Heartbeat(leases, held) as heart:
        while leases.get(held.id).heartbeat == held.heartbeat:
            time.sleep(0.05)
        assert not heart.lost.is_set()
        leases.free(held)
        assert heart.lost.wait(timeout=60)


def test_a_store_out_of_reach_is_a_lost_lease_only_once_it_has_run_out(
    leases: Leases, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = take(leases, ask(leases, length_s=0.6))
    lost_after = []

    def unreachable(lease: Lease) -> bool:
        from arc_core.errors import StoreError

        lost_after.append(time.monotonic())
        raise StoreError("no route to host", cure="Wait.")

    monkeypatch.setattr(leases, "beat", unreachable)
    with Heartbeat(leases, held) as heart:
        assert heart.lost.wait(timeout=60)
    assert lost_after[-1] - lost_after[0] < 60
    assert len(lost_after) > 1, "it tried again before it gave up"


RACERS = 50
DRIVERS = ("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg", "psycopg_binary")
"""What a store loads when it is opened; loaded once here, and not by each of the fifty."""


def _race(url: str, folder: str) -> tuple[int, int]:
    """One job of the race: lease id, and how many held a lease at once while it did, as the disk tells."""
    with closing(Memory(url)) as memory:
        leases = memory.leases
        lease = ask(leases)
        with Heartbeat(leases, lease):
            held = None
            while held is None:
                if leases.is_next(lease, PLACES):
                    held = take(leases, lease)
                else:
                    time.sleep(0.1)
            mark = Path(folder) / str(os.getpid())
            mark.touch()
            time.sleep(0.02)
            at_once = len(list(Path(folder).iterdir()))
            mark.unlink()
            leases.free(held)
            return held.id, at_once


def test_many_processes_race_for_few_places(memory: Memory, store_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "holding"
    folder.mkdir()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.contracts.test_leases", *DRIVERS])
    with ProcessPoolExecutor(RACERS, mp_context=context) as pool:
        done = list(pool.map(_race, [store_url] * RACERS, [str(folder)] * RACERS))
    assert len({lease_id for lease_id, _ in done}) == RACERS, "all have finished"
    assert max(at_once for _, at_once in done) <= PLACES
    told = [memory.leases.get(lease_id) for lease_id, _ in sorted(done)]
    assert [lease.granted for lease in told] == sorted(lease.granted for lease in told), "in turn"
    for lease in told:
        others = [each for each in told if each.granted <= lease.granted < each.released]
        assert len(others) <= PLACES
    assert {gpu for lease in told for gpu in lease.gpu_ids} == {0, 1}


def _claim(url: str, experiment: str) -> bool:
    with closing(Memory(url)) as memory:
        return ask(memory.leases, experiment, ELSEWHERE) is not None


def test_one_of_many_processes_gets_an_experiment(memory: Memory, store_url: str) -> None:
    (only,) = approve(memory, 1)
    with ProcessPoolExecutor(4, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert sorted(pool.map(_claim, [store_url] * 4, [only] * 4)) == [False, False, False, True]


def test_a_leader_knows_the_processes_of_its_session() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'input()']).wait()"
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, stdin=subprocess.PIPE)
    leader = Holder.of(process.pid)
    while not (children := psutil.Process(process.pid).children()):
        time.sleep(0.01)
    assert leader.leads(children[0].pid)
    assert leader.leads(process.pid)
    assert not leader.leads(os.getpid())
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert leader.is_dead()


def test_a_step_of_the_clock_kills_nobody(leases: Leases, monkeypatch: pytest.MonkeyPatch) -> None:
    """psutil adds a process's ticks to the host's start, which follows the clock."""
    holder = Holder.this_process()
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: real(process) + 5)
    assert not holder.is_dead()
    assert Holder.this_process() == holder
