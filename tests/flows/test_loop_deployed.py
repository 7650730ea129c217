"""The deployed loop: the end of a cycle starts the next, till the loop's rules or a person end it."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterTags
from prefect.client.schemas.objects import FlowRun

from arc_core.experiments.lease import Lease
from arc_core.experiments.loop import Loop
from arc_core.training.checkpoint import PREFIX
from tasks.successor import SPARE
from tests.command import TINY, memory_in
from tests.conftest import ROOT
from tests.flows.test_deployed import Up, on_a_free_port

ONE = [*TINY, "launch=pool", "board.experiments_per_cycle=1"]
SILENCE_S, LOOK_S = 45, 20  # a beat and a half; what the server takes to look, thrice
LATE_S = 600.0  # with neither event nor spare a loop would wait an hour for its heartbeat
LONG = [*ONE, "data.split_seed=1", "spec.epochs=200", "spec.image_size_px=256", "launch.checkpoint_every_s=0"]


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Up]:
    home = tmp_path_factory.mktemp("loop") / "home"
    yield from on_a_free_port(home, ARC_RUN_SILENCE_S=str(SILENCE_S))


def run(up: Up, *more: str, overrides: list[str] = ONE) -> None:
    """`prefect deployment run arc/continuous`, which returns at once."""
    given = ("deployment", "run", "arc/continuous", "--param", f"overrides={json.dumps(overrides)}")
    ran = up.prefect(*given, *(part for each in more for part in ("--param", each)))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def stop(up: Up, *arguments: str) -> str:
    command = [sys.executable, "-m", "flows.stop", *arguments]
    ran = subprocess.run(command, cwd=ROOT, env=up.env, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def wait_until(up: Up, happened: Callable[[], object]) -> None:
    late = time.monotonic() + LATE_S
    while not happened():
        assert up.process.poll() is None, up.log.read_text()
        if time.monotonic() > late:
            pytest.fail(told(up))
        time.sleep(0.2)


def told(up: Up) -> str:
    """What became of each run, for whoever has only the log of a machine where it did not end well."""
    every = sorted([*up.runs("arc-control"), *up.runs("arc-gpu")], key=lambda each: each.created)
    lines = [
        f"{each.created:%H:%M:%S} {each.name} {each.tags}: {each.state.name} {each.state.message}"
        for each in every
    ]
    return "\n".join([*lines, str(loop_of(up))])


def loop_of(up: Up) -> Loop | None:
    return memory_in(up.home).loops.latest() if (up.home / "arc.db").exists() else None


def ended(up: Up, after: int = 0) -> Loop:
    """The loop with a higher id than `after`, once it has ended and so have its runs."""
    wait_until(up, lambda: (loop := loop_of(up)) and loop.id > after and loop.ended)
    wait_until(up, lambda: all(each.state.is_final() for each in up.runs("arc-control")))
    loop = loop_of(up)
    assert loop is not None
    return loop


def runs(up: Up) -> list[FlowRun]:
    return sorted(up.runs("arc-control"), key=lambda each: each.created)


def cycles(up: Up) -> list[tuple[int, str]]:
    memory = memory_in(up.home)
    (study,) = memory.studies()
    return [(cycle.number, cycle.status) for cycle in memory.cycles(study)]


def is_of_the_trigger(run: FlowRun) -> bool:
    return run.created_by is not None and run.created_by.type == "AUTOMATION"


@pytest.fixture(scope="module")
def two(up) -> Loop:
    """A loop of two cycles, of which a person started the first."""
    run(up, "max_cycles=2")
    return ended(up)


def test_the_second_cycle_follows_by_itself_and_there_is_no_third(up, two):
    first, *others = runs(up)
    assert cycles(up) == [(1, "finished"), (2, "finished")]
    assert "go_on" not in first.parameters
    assert first.state_name == "Completed"
    # A busy Prefect may lose the event, or fire twice for it: the later run finds the home taken, or no loop.
    assert others
    assert all(is_of_the_trigger(each) or SPARE in each.tags for each in others)
    assert all(each.parameters["go_on"] for each in others)
    assert {each.state_name for each in others} - {"Cancelled"} == {"Stopped"}


def test_why_it_stopped_is_in_the_store_the_state_and_the_last_report(up, two):
    reason = "all 2 cycles asked for are done"
    assert two.reason == reason
    assert f"The loop stops: {reason}." in {each.state.message for each in runs(up)[1:]}
    (folder,) = (up.home / "report").glob("study-*/")
    assert "The loop goes on." in (folder / "cycle-0001.html").read_text()
    assert f"The loop stops: {reason}." in (folder / "cycle-0002.html").read_text()


@pytest.fixture(scope="module")
def beat(up, two) -> FlowRun:
    """What the hourly schedule runs, after the loop has stopped."""
    before = {each.id for each in runs(up)}
    run(up, "go_on=true", overrides=[])
    wait_until(up, lambda: any(each.id not in before and each.state.is_final() for each in runs(up)))
    return next(each for each in runs(up) if each.id not in before)


def test_the_heartbeat_does_not_revive_a_loop_that_has_stopped(up, two, beat):
    assert beat.state_name == "Stopped"
    assert two.reason in beat.state.message
    assert len(cycles(up)) == 2
    assert loop_of(up) == two


@pytest.fixture(scope="module")
def mended(up, beat) -> Loop:
    """A new loop, whose first cycle can't write its report until somebody mends that."""
    report = up.home / "report"
    report.rename(up.home / "kept")
    report.write_text("in the way of the folder of this name")
    run(
        up,
        "max_cycles=1000",
        overrides=[*ONE, "loop.backoff_s=5", "loop.patience=1", "loop.same_failures=100"],
    )
    wait_until(up, lambda: any(each.state.is_failed() for each in runs(up)))
    report.unlink()
    return ended(up, after=1)


def test_a_failed_cycle_is_tried_again_by_itself_after_a_wait(up, mended):
    turns = memory_in(up.home).loops.turns(mended)
    failures = [turn for turn in turns if turn.outcome == "failed"]
    assert failures
    assert [turn.outcome for turn in turns[: len(failures)]] == ["failed"] * len(failures)
    assert {turn.reason.partition(":")[0] for turn in failures} == {"StoreError"}
    assert [turn.outcome for turn in turns[len(failures) :]][:1] == ["trained"]
    assert all(status == "finished" for _, status in cycles(up))
    said = [each.state.message for each in runs(up) if each.state.is_failed()]
    assert all("The loop waits until" in words and "StoreError" in words for words in said)


def test_a_loop_may_end_for_want_of_a_better_champion(mended):
    assert "brought no new champion" in mended.reason


@pytest.fixture(scope="module")
def asked(up, mended) -> Loop:
    """A loop without an end, which a person asks to stop while its first cycle trains."""
    run(up)
    wait_until(up, lambda: (loop := loop_of(up)) and loop.id > mended.id)
    assert "after the cycle at hand" in stop(up)
    return ended(up, after=mended.id)


def test_a_stop_lets_the_cycle_at_hand_end_and_no_other_begin(up, asked):
    (turn,) = memory_in(up.home).loops.turns(asked)
    begun = [each for each in cycles(up) if each[1] != "planned"]
    assert begun[-1] == (turn.cycle, "finished")
    assert runs(up)[-1].state.message == "The loop stops: a stop was asked for."


@pytest.fixture(scope="module")
def deaf(up) -> list[FlowRun]:
    """The runs of a loop of two cycles, on a server that loses the event of the first one's end."""
    before = {each.id for each in runs(up)}
    with up.client() as client:
        (trigger,) = (each for each in client.read_automations() if each.name.startswith("continuous"))
        client.pause_automation(trigger.id)
        loop = loop_of(up)
        run(up, "max_cycles=2")
        ended(up, after=loop.id if loop else 0)
        client.resume_automation(trigger.id)
    return [each for each in runs(up) if each.id not in before]


def test_where_the_event_is_lost_the_next_cycle_comes_all_the_same(up, deaf):
    first, second = deaf
    assert not is_of_the_trigger(second)
    assert SPARE in second.tags
    assert second.state_name == "Stopped"
    assert second.expected_start_time > first.end_time


def test_no_spare_is_left(up, deaf):
    with up.client() as client:
        spares = client.read_flow_runs(flow_run_filter=FlowRunFilter(tags=FlowRunFilterTags(all_=[SPARE])))
    assert [each.name for each in spares if not each.state.is_final()] == []


def test_a_stop_at_once_keeps_what_trains_for_later(up):
    run(up, overrides=LONG)
    memory = memory_in(up.home)

    def checkpoints(lease: Lease) -> list[Path]:
        return list(up.home.glob(f"runs/{lease.request.experiment_id}/fold-*/{PREFIX}*"))

    wait_until(up, lambda: any(map(checkpoints, memory.leases.held())))
    # The next cycle's may have begun beside it, and have none yet.
    held = next(lease for lease in memory.leases.held() if checkpoints(lease))
    assert "was told" in stop(up, "--now")
    wait_until(up, lambda: not memory.leases.live())
    wait_until(up, lambda: all(each.state.is_final() for each in up.runs("arc-control")))
    assert memory.experiment(held.request.experiment_id).outcome.status == "stopped"
    assert checkpoints(held)
    loop = loop_of(up)
    assert loop is not None
    assert loop.reason == "a stop at once was asked for"


def test_a_run_that_ended_is_not_taken_for_dead_in_the_silence_after_it(up, deaf):
    silent = max(each.end_time for each in deaf) + timedelta(seconds=SILENCE_S + LOOK_S)
    wait_until(up, lambda: datetime.now(UTC) > silent)
    after = {each.id: each.state_name for each in runs(up)}
    assert [after[each.id] for each in deaf] == ["Completed", "Stopped"]
