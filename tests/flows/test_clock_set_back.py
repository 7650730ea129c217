"""The host's clock is set back an hour amid a cycle: it ends as usual, and nothing waits for the hour."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import TINY, environment, memory_in, run_cycle, start_cycle
from tests.flows.test_interrupted import folds, wait_until
from tests.set_back import SetBack, clock_in

ONE = (*TINY, "board.experiments_per_cycle=1")
PATIENCE_S = 600.0
"""Far more than any of it takes, far less than the hour."""


@pytest.fixture
def clock(tmp_path) -> SetBack:
    return clock_in(tmp_path)


def test_the_clock_of_the_tests_can_be_set_back(clock, tmp_path):
    """Else the others would prove nothing."""
    program = "import json, time; print(json.dumps([time.time(), time.monotonic()]))"

    def read() -> tuple[float, float]:
        said = subprocess.run(
            [sys.executable, "-c", program], env=environment(tmp_path, **clock.variables), capture_output=True
        ).stdout
        return tuple(json.loads(said))

    before = read()
    clock.set_back()
    after = read()
    assert -3600 < after[0] - before[0] < -3500
    assert 0 < after[1] - before[1] < 100


def ended(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """What it has said by its end."""
    try:
        return process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
        process.wait()


def has_begun(home: Path) -> bool:
    return (home / "arc.db").exists() and memory_in(home).loops.latest() is not None


@pytest.mark.parametrize(("warm", "moment"), [("true", has_begun), ("true", folds), ("false", folds)])
def test_a_cycle_ends_as_usual(tmp_path, clock, warm, moment):
    """The hour comes before its training begins, or between two folds."""
    home = tmp_path / "home"
    process = start_cycle(home, *ONE, "--max-minutes", "60", ARC_WARM_WORKERS=warm, **clock.variables)
    wait_until(lambda: moment(home), process)
    clock.set_back()
    _, said = ended(process)
    assert process.returncode == 0, said
    memory = memory_in(home)
    (study,) = memory.studies()
    (experiment,) = memory.experiments(study)
    assert experiment.outcome.status == "finished"
    result = memory.result(experiment.id)
    assert 0 < result.train_s <= result.total_s < PATIENCE_S
    assert memory.leases.live() == ()
    assert all(lease.released for lease in memory.leases.of_study(study))

    again = run_cycle(home, *ONE, ARC_WARM_WORKERS=warm, **clock.variables)

    assert again.code == 0, again.err
    assert [cycle.status for cycle in memory.cycles(study)] == ["finished"] * 2


def has_failed(home):
    """Whether a cycle's failure is recorded: the loop is about to wait."""
    loops = memory_in(home).loops if (home / "arc.db").exists() else None
    return bool(loops and (loop := loops.latest()) and loops.turns(loop))


@pytest.mark.parametrize("moment", ["recorded", "told"])
def test_a_wait_after_a_failure_takes_no_longer(tmp_path, clock, prefect_server, moment):
    home = tmp_path / "home"
    home.mkdir()
    (home / "report").write_text("in the way of the folder of this name")
    limits = ("--max-cycles", "2", "loop.backoff_s=5", "loop.same_failures=2")
    process = start_cycle(home, *ONE, *limits, PREFECT_API_URL=prefect_server, **clock.variables)
    if moment == "told":
        assert "The loop waits until" in process.stdout.readline()
    else:
        wait_until(lambda: has_failed(home), process)
    clock.set_back()
    _, said = ended(process)
    assert process.returncode == 1
    assert "2 cycles in a row failed for the same reason" in said


PROGRAM = """
import json, sys
from arc_core.clock import unix_s
from arc_core.errors import OutOfTime
from arc_core.training.plan import TrainingPlan
from arc_core.training.process import run_worker
plan = TrainingPlan.model_validate_json(open(sys.argv[1]).read())
try:
    run_worker(plan, on_event=lambda event: print(json.dumps(event), flush=True), deadline=unix_s() + 15)
except OutOfTime:
    print(json.dumps({"event": "out of time"}), flush=True)
"""


def test_a_deadline_holds(tmp_path, clock, one_cycle):
    """A training that would take all day, from the plan of one that has finished."""
    tree = json.loads(next((one_cycle.home / "runs").glob("*/plan.json")).read_text())
    tree["run_dir"] = str(tmp_path / "run")
    tree["spec"]["epochs"] = tree["training"]["epochs"] = 200
    tree["spec"]["image_size_px"] = 512
    (tmp_path / "plan.json").write_text(json.dumps(tree))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "plan.json")],
        env=environment(tmp_path / "home", **clock.variables),
        stdout=subprocess.PIPE,
        text=True,
    )
    assert json.loads(process.stdout.readline())["event"] == "started"
    clock.set_back()
    said, _ = ended(process)
    assert json.loads(said.splitlines()[-1]) == {"event": "out of time"}
