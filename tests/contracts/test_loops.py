"""What a store keeps of the loops, on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from arc_core.experiments.holder import Holder
from arc_core.experiments.lease import Request
from arc_core.experiments.loop import Course, LoopRequest, Turn
from arc_core.experiments.memory import Memory
from tests.contracts.records import STUDY

ASKED = LoopRequest(task="segmentation", overrides=("spec.epochs=3",), max_cycles=4)
TURN = Turn(outcome="trained", ended=datetime(2026, 1, 1, tzinfo=UTC), cycle=1)


@pytest.fixture
def memory(store_url):
    memory = Memory(store_url)
    yield memory
    memory.close()


def test_there_is_no_loop_at_first_and_nothing_to_stop(memory):
    assert memory.loops.latest() is None
    assert memory.loops.ask_stop() is None


def test_a_loop_is_read_as_it_was_asked_for(memory):
    loop = memory.loops.start(ASKED)
    assert memory.loops.latest() == memory.loops.get(loop.id) == loop
    assert loop.request == ASKED


def test_a_turn_and_the_end_that_follows_are_kept(memory):
    loop = memory.loops.start(ASKED)
    memory.register_study(STUDY)
    cycle = memory.begin_cycle(STUDY.id)
    failed = Turn(outcome="failed", ended=TURN.ended, reason="OSError: no disk")
    memory.loops.keep(loop, failed, None, Course(goes="wait", until=TURN.ended))
    assert memory.loops.get(loop.id).ended is None
    memory.loops.keep(loop, TURN, cycle, Course(goes="stop", reason="all is done"))
    assert memory.loops.turns(loop) == (failed, TURN)
    ended = memory.loops.get(loop.id)
    assert (ended.ended is not None, ended.reason) == (True, "all is done")
    memory.loops.end(loop, "another reason")
    assert memory.loops.get(loop.id) == ended


def test_a_new_start_clears_a_stop(memory):
    first = memory.loops.start(ASKED)
    asked = memory.loops.ask_stop()
    assert asked is not None
    assert (asked.id, asked.stop_asked is not None) == (first.id, True)
    assert memory.loops.ask_stop().id == first.id, "asked again, it is the same"
    second = memory.loops.start(LoopRequest())
    assert memory.loops.get(first.id).reason == "another was started"
    assert memory.loops.latest() == second
    assert second.stop_asked is None
    assert memory.loops.turns(second) == ()


def test_gpu_hours_are_those_of_trainings_since_a_time(memory):
    ask = Request(memory_mib=1, experiment_id=None)
    lease = memory.leases.ask(ask, Holder.this_process(), {})
    assert lease is not None
    began = datetime.now(UTC)
    assert memory.leases.gpu_hours(began) == 0  # it waits
    taken = memory.leases.take(lease, lambda held: (0, 1), {})
    assert taken is not None
    assert taken.granted is not None
    memory.leases.free(lease)
    freed = memory.leases.get(lease.id).released
    assert freed is not None
    held_h = (freed - taken.granted).total_seconds() / 3600
    assert memory.leases.gpu_hours(taken.granted) == pytest.approx(2 * held_h, abs=1e-9)
    assert memory.leases.gpu_hours(taken.granted + (freed - taken.granted) / 2) == pytest.approx(
        held_h, abs=1e-9
    )
    assert memory.leases.gpu_hours(freed + timedelta(seconds=1)) == 0


def test_a_stop_that_is_asked_while_a_loop_starts_is_meant_for_it(memory):
    memory.loops.end(memory.loops.start(ASKED), "all done")
    began = datetime.now(UTC)
    assert memory.loops.ask_stop() is None, "none goes on"
    assert memory.loops.start(ASKED, since=began).stop_asked
    assert not memory.loops.start(ASKED, since=datetime.now(UTC)).stop_asked
