"""A cycle that a signal stops: it says so, leaves nothing running or half done, and goes on later."""

import signal
from pathlib import Path

import psutil
import pytest

from arc_core.training.checkpoint import PREFIX
from tasks.loop import SIGNAL
from tests.command import TINY, Finished, memory_in, run_cycle, start_cycle
from tests.flows.test_interrupted import wait_until, workers
from tests.llm_server import ModelServer

ONE = (*TINY, "board.experiments_per_cycle=1")
LONG = (*ONE, "spec.epochs=200", "spec.image_size_px=96")
WHOLE = (*ONE, "spec.epochs=40", "spec.image_size_px=64")
"""Long enough to be stopped, short enough to be finished."""


def service_manager(process: psutil.Process) -> None:
    """SIGTERM to the command alone."""
    process.terminate()


def ctrl_c(process: psutil.Process) -> None:
    """SIGINT to all that runs in the terminal: Prefect's server and the workers get it too."""
    for each in [process, *process.children(recursive=True)]:
        each.send_signal(signal.SIGINT)


def closed_terminal(process: psutil.Process) -> None:
    """SIGHUP to all that runs in it."""
    for each in [process, *process.children(recursive=True)]:
        each.send_signal(signal.SIGHUP)


def thorough_service_manager(process: psutil.Process) -> None:
    """SIGTERM to all of the service's processes, as systemd does."""
    for each in [process, *process.children(recursive=True)]:
        each.terminate()


def line_of(process) -> str:
    """The next that it says on stderr, as it says it."""
    return process.stderr.readline()


def is_sound_after(home: Path, started: list[psutil.Process]) -> None:
    """No process is left, no lease; what was approved can go on, and the loop is known to have ended."""
    _, alive = psutil.wait_procs(started, timeout=10)
    assert alive == []
    memory = memory_in(home)
    assert memory.leases.live() == ()
    for study in memory.studies():
        assert {each.outcome.status for each in memory.experiments(study)} <= {"stopped", "approved"}
    assert memory.loops.latest().reason == SIGNAL


def checkpoints(home: Path) -> list[Path]:
    return list(home.glob(f"runs/*/fold-*/{PREFIX}*"))


def models(home: Path) -> dict[str, bytes]:
    found = sorted((home / "runs").glob("*/fold-*/model.pt"))
    return {str(path.relative_to(home)): path.read_bytes() for path in found}


@pytest.mark.parametrize(
    ("stop", "warm"),
    [
        (service_manager, "true"),
        (service_manager, "false"),
        (ctrl_c, "true"),
        (ctrl_c, "false"),
        (thorough_service_manager, "true"),
        (closed_terminal, "true"),
    ],
)
def test_a_stop_ends_trainings_and_server_and_loses_nothing(tmp_path, stop, warm):
    home = tmp_path / "home"
    process = start_cycle(home, *LONG, "launch.checkpoint_every_s=0", ARC_WARM_WORKERS=warm)
    try:
        wait_until(lambda: checkpoints(home), process)
        started = psutil.Process(process.pid).children(recursive=True)
        stop(psutil.Process(process.pid))
        assert line_of(process).startswith("Stopping: nothing more is begun")
        _, said = process.communicate()
    finally:
        process.kill()
    assert process.returncode == 0, said
    assert said.splitlines()[-1].endswith("the same command goes on from there.")
    assert started
    is_sound_after(home, started)
    assert checkpoints(home)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_worker_still_imports(tmp_path, prefect_server, number):
    home = tmp_path / "home"
    process = start_cycle(home, *LONG, ARC_WARM_WORKERS="false", PREFECT_API_URL=prefect_server)
    wait_until(lambda: workers(home), process)
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 0, said
    is_sound_after(home, started)


def test_a_stop_while_the_board_meets_waits_for_no_model(tmp_path, prefect_server):
    server, home = ModelServer(delay_s=86400), tmp_path / "home"
    process = start_cycle(
        home,
        *ONE,
        *server.overrides(timeout_s=600),
        **server.environment(),
        PREFECT_API_URL=prefect_server,
    )
    try:
        wait_until(lambda: server.asked("director"), process)
        started = psutil.Process(process.pid).children(recursive=True)
        process.terminate()
        _, said = process.communicate()
    finally:
        server.close()
    assert process.returncode == 0, said
    is_sound_after(home, started)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_between_cycles_ends_the_loop(tmp_path, prefect_server, number):
    home = tmp_path / "home"
    home.mkdir()
    (home / "report").write_text("in the way of the folder of this name")
    process = start_cycle(
        home, *ONE, "--max-cycles", "2", "loop.backoff_s=86400", PREFECT_API_URL=prefect_server
    )
    assert "The loop waits until" in process.stdout.readline()
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert memory_in(home).loops.latest().reason == SIGNAL


@pytest.fixture(scope="module")
def undisturbed(prefect_server, tmp_path_factory) -> Finished:
    home = tmp_path_factory.mktemp("undisturbed") / "home"
    return run_cycle(home, *WHOLE, PREFECT_API_URL=prefect_server)


@pytest.mark.parametrize("warm", ["true", "false"])
def test_the_same_command_goes_on_to_the_same_model(tmp_path, prefect_server, undisturbed, warm):
    home, more = tmp_path / "home", {"PREFECT_API_URL": prefect_server, "ARC_WARM_WORKERS": warm}
    process = start_cycle(home, *WHOLE, "launch.checkpoint_every_s=0", **more)
    wait_until(lambda: checkpoints(home), process)
    process.terminate()
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert models(home) != models(undisturbed.home)
    (left,) = checkpoints(home)

    ended = run_cycle(home, *WHOLE, **more)

    assert ended.code == 0, ended.err
    assert not left.exists()
    assert models(home) == models(undisturbed.home)
    assert [each.number for each in ended.memory.cycles(ended.study)] == [1], "the cycle is the same"


@pytest.mark.parametrize("warm", ["true", "false"])
def test_a_second_signal_ends_all_at_once_and_loses_nothing(tmp_path, prefect_server, undisturbed, warm):
    home, more = tmp_path / "home", {"PREFECT_API_URL": prefect_server, "ARC_WARM_WORKERS": warm}
    process = start_cycle(home, *WHOLE, "launch.checkpoint_every_s=0", **more)
    wait_until(lambda: checkpoints(home), process)
    (worker,) = workers(home)
    started = psutil.Process(process.pid).children(recursive=True)
    worker.suspend()  # it can't do what it is told
    process.terminate()
    assert "A second Ctrl-C or SIGTERM ends all at once" in line_of(process)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130
    assert said.startswith("A second signal: all of it ends at once.")
    _, alive = psutil.wait_procs([worker, *started], timeout=10)
    assert alive == []

    ended = run_cycle(home, *WHOLE, **more)

    assert ended.code == 0, ended.err
    assert models(home) == models(undisturbed.home)


def test_a_training_that_can_not_end_its_step_is_killed_and_keeps_its_checkpoint(
    tmp_path, prefect_server, undisturbed
):
    home = tmp_path / "home"
    process = start_cycle(home, *WHOLE, "launch.checkpoint_every_s=0", PREFECT_API_URL=prefect_server)
    wait_until(lambda: checkpoints(home), process)
    (worker,) = workers(home)
    worker.suspend()
    process.terminate()
    _, said = process.communicate()
    assert process.returncode == 0, said
    is_sound_after(home, [worker])
    assert checkpoints(home)

    ended = run_cycle(home, *WHOLE, PREFECT_API_URL=prefect_server)

    assert ended.code == 0, ended.err
    assert models(home) == models(undisturbed.home)
