"""Workers forked warm: as good as cold ones, and never the reason that a training fails."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from arc_core.settings import load_settings
from arc_core.training import warm as warm_module
from arc_core.training.child import start_cold
from arc_core.training.fold import is_finished
from arc_core.training.process import run_worker
from arc_core.training.warm import Forked, WarmStart, warm_start
from arc_core.training.warm_socket import (
    SERVER_VARIABLES,
    VARIABLES,
    Address,
    Request,
    received,
    version_of_code,
)
from tests.arc_core.training.test_worker import PATIENCE_S, has_ended, held_out_files
from tests.nvml import variables

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm workers are for Linux")


class Watched:
    """A `WarmStart` that remembers what it started."""

    def __init__(self, warm: WarmStart) -> None:
        self.warm, self.children = warm, []

    def __call__(self, *arguments):
        self.children.append(self.warm(*arguments))
        return self.children[-1]

    @property
    def kinds(self) -> list[str]:
        return [type(child).__name__ for child in self.children]


@pytest.fixture
def own(tmp_path) -> Watched:
    """A server of the test's own."""
    return Watched(WarmStart(tmp_path / "home", os.getpid()))


def server_of(warm: WarmStart) -> psutil.Process:
    (found,) = [
        child
        for child in psutil.Process().children()
        if child.status() != psutil.STATUS_ZOMBIE and str(warm.home) in child.cmdline()
    ]
    return found


def wait_until(true) -> None:
    give_up = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.05)


def serving(home: Path, owner: int, change: str = "") -> "subprocess.Popen[bytes]":
    """A server whose module is changed before it serves."""
    address = Address(home, version_of_code(os.environ))
    address.make_folder()
    program = "import sys\nfrom arc_core.training import forkserver\n"
    program += f"{change}\nsys.exit(forkserver.main(*sys.argv[1:]))"
    arguments = [sys.executable, "-c", program, str(home), address.version, str(owner)]
    process = subprocess.Popen(arguments, env={**os.environ, **SERVER_VARIABLES})
    wait_until(lambda: address.socket.exists() or process.poll() is not None)
    return process


def test_a_warm_training_gives_the_very_files_of_a_cold_one(trained, planner, warm, tmp_path):
    cold, _ = trained
    plan, start, events = planner(tmp_path / "exp-1"), Watched(warm), []
    run_worker(plan, on_event=events.append, start=start)
    assert start.kinds == ["Forked"]
    assert [event["event"] for event in events][-1] == "finished"
    for fold in (0, 1):
        assert held_out_files(plan, fold) == held_out_files(cold, fold)
    assert not (tmp_path / "exp-1" / "worker.log").read_text()


def test_the_start_up_of_a_warm_training_counts_from_its_fork(planner, warm, tmp_path):
    plan = planner(tmp_path)
    run_worker(plan, on_event=lambda event: None, start=warm)
    done = json.loads((plan.fold_dir(0) / "done.json").read_text())
    assert 0 < done["startup_s"] < time.time() - server_of(warm).create_time()


def test_one_server_serves_all_and_forks_from_a_single_thread(planner, warm, tmp_path):
    start = Watched(warm)
    for name in ("one", "two"):
        run_worker(planner(tmp_path / name), on_event=lambda event: None, start=start)
    server = server_of(warm)
    assert start.kinds == ["Forked", "Forked"]
    assert server.num_threads() == 1
    assert not server.children()


def test_a_training_outlives_its_server(planner, own, tmp_path):
    events = []

    def kill(event):
        events.append(event)
        if event["event"] == "started":
            server_of(own.warm).kill()

    run_worker(planner(tmp_path / "run"), on_event=kill, start=own)
    assert own.kinds == ["Forked"]
    assert events[-1]["event"] == "finished"


def test_a_worker_killed_after_its_server_is_reported_as_killed(planner, own, tmp_path):
    pids = []

    def kill(event):
        if event["event"] == "started":
            pids.append(event["pid"])
            server_of(own.warm).kill()
            psutil.Process(event["pid"]).kill()

    with pytest.raises(Exception, match="killed by signal 9"):
        run_worker(planner(tmp_path / "run", epochs=200), on_event=kill, start=own)
    wait_until(lambda: has_ended(pids[0]))  # its pipe is closed a moment before it is gone


def test_after_a_killed_server_there_is_a_new_one(planner, own, tmp_path):
    own.warm.prepare()
    first = server_of(own.warm)
    wait_until(lambda: list(own.warm.home.glob("warm/*.sock")))
    first.kill()
    first.wait()
    run_worker(planner(tmp_path / "run"), on_event=lambda event: None, start=own)
    assert own.kinds == ["Forked"]
    assert server_of(own.warm).pid != first.pid


@pytest.mark.parametrize(
    "change",
    [
        "import threading; threading.Thread(target=threading.Event().wait, daemon=True).start()",
        "import torch; torch.cuda.is_initialized = lambda: True",
    ],
    ids=["another thread", "CUDA"],
)
def test_a_server_that_can_not_fork_safely_forks_nothing(planner, own, tmp_path, change):
    server = serving(own.warm.home, os.getpid(), change)
    run_worker(planner(tmp_path / "run"), on_event=lambda event: None, start=own)
    assert own.kinds == ["Cold"]
    assert server.poll() is None
    server.kill()
    server.wait()


def test_a_server_whose_imports_touched_cuda_does_not_serve(own):
    server = serving(own.warm.home, os.getpid(), "import torch; torch.cuda._is_in_bad_fork = lambda: True")
    assert server.wait() == 1
    assert not list(own.warm.home.glob("warm/*.sock"))


def test_a_server_that_does_not_start_costs_no_training(planner, own, tmp_path, monkeypatch):
    monkeypatch.setattr(warm_module, "SERVER_VARIABLES", {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"})
    run_worker(planner(tmp_path / "run"), on_event=lambda event: None, start=own)
    assert own.kinds == ["Cold"]


def test_a_folder_open_to_others_is_not_used(planner, own, tmp_path):
    folder = own.warm.home / "warm"
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    run_worker(planner(tmp_path / "run"), on_event=lambda event: None, start=own)
    assert own.kinds == ["Cold"]
    assert not list(folder.iterdir())


def test_a_server_ends_with_its_owner(tmp_path):
    owner = subprocess.Popen(["sleep", "600"])
    server = serving(tmp_path, owner.pid)
    owner.kill()
    owner.wait()
    assert server.wait(PATIENCE_S) == 0
    assert left_in(tmp_path) == []


def left_in(home: Path) -> list[Path]:
    return [path for path in (home / "warm").iterdir() if path.suffix in (".sock", ".lock")]


def test_an_owner_that_ends_during_the_imports_leaves_no_socket_behind(tmp_path):
    owner = subprocess.Popen(["sleep", "600"])
    end = "import os; load = forkserver.libraries.load; "
    end += f"forkserver.libraries.load = lambda: (os.kill({owner.pid}, 9), load())"
    server = serving(tmp_path, owner.pid, end)
    owner.wait()
    assert server.wait(PATIENCE_S) == 0
    assert left_in(tmp_path) == []


def test_a_server_that_is_told_to_end_leaves_no_socket_behind(tmp_path):
    server = serving(tmp_path, os.getpid())
    server.terminate()
    assert server.wait(PATIENCE_S) == 0
    assert left_in(tmp_path) == []


def test_a_warm_worker_is_seen_by_its_plan(planner, warm, tmp_path):
    plan, seen = planner(tmp_path), []

    def look(event):
        if event["event"] == "started":
            seen.append(" ".join(psutil.Process(event["pid"]).cmdline()))

    run_worker(plan, on_event=look, start=warm)
    assert seen == [" ".join(plan.arguments())]


@pytest.mark.parametrize("reason", ["idle", "home"])
def test_a_server_that_nobody_wants_ends(tmp_path, reason):
    idle_s = 0.2 if reason == "idle" else 600
    server = serving(tmp_path / "home", os.getpid(), f"forkserver.IDLE_S, forkserver.CHECK_S = {idle_s}, 0.1")
    if reason == "home":
        shutil.rmtree(tmp_path / "home")
    assert server.wait(PATIENCE_S) == 0


def test_a_home_as_deep_as_can_be_has_its_server(planner, tmp_path):
    home = tmp_path.joinpath(*["a-folder-with-a-rather-long-name"] * 5)
    start = Watched(WarmStart(home, os.getpid()))
    run_worker(planner(tmp_path / "run"), on_event=lambda event: None, start=start)
    assert start.kinds == ["Forked"]


def asked(warm: WarmStart, text: bytes) -> dict:
    """The answer to a message that `WarmStart` would not send."""
    connection = warm.connected()
    with connection, open(os.devnull, "w") as nothing:  # noqa: PTH123
        socket.send_fds(connection, [text], [nothing.fileno(), nothing.fileno()])
        return received(connection)


@pytest.mark.parametrize(
    "message",
    [
        {"plan": "/tmp/run/other.json", "environment": {}},  # noqa: S108
        {"plan": "plan.json", "environment": {}},
        {"plan": "/run/plan.json", "environment": {"LD_PRELOAD": "/lib/x.so"}},
        {"plan": "/run/plan.json", "environment": {}, "arguments": ["-c", "import os"]},
        {"plan": "/run/plan.json", "environment": {"RANK": 1}},
    ],
)
def test_nothing_can_be_asked_but_to_train_a_plan(warm, message):
    with pytest.raises(ValidationError):
        Request.model_validate(message)
    assert list(asked(warm, json.dumps(message).encode())) == ["refused"]
    assert not server_of(warm).children()


def test_what_is_no_message_is_refused(warm):
    assert list(asked(warm, b"\x80\x04")) == ["refused"]


def test_a_plan_sets_no_variable_that_a_server_would_refuse(planner, tmp_path):
    plan = planner(tmp_path, gpu_ids=(0, 1), enable_deepspeed=True)
    assert plan.environment(1).keys() <= VARIABLES


def test_another_version_of_anything_that_counts_has_another_server(monkeypatch):
    plain = version_of_code({})
    assert version_of_code({"OMP_NUM_THREADS": "3", "HOME": "/root"}) == plain
    assert version_of_code({"PYTHONOPTIMIZE": "1"}) != plain
    assert version_of_code({"LD_PRELOAD": "/lib/libjemalloc.so"}) != plain
    monkeypatch.setattr(sys, "version", "3.99")
    assert version_of_code({}) != plain


def test_it_can_be_switched_off(tmp_path):
    assert isinstance(warm_start(load_settings(_env_file=None, home=tmp_path), os.getpid()), WarmStart)
    off = load_settings(_env_file=None, home=tmp_path, warm_workers=False)
    assert warm_start(off, os.getpid()) is None


def test_what_is_no_worker_is_started_cold(warm, tmp_path):
    with (tmp_path / "out").open("w") as out:
        child = warm([sys.executable, "-c", "print('cold')"], {}, out.fileno(), out.fileno())
        assert child.wait() == 0
    assert not isinstance(child, Forked)
    assert (tmp_path / "out").read_text() == "cold\n"


def test_a_cold_worker_hears_that_it_is_no_longer_wanted(tmp_path):
    with (tmp_path / "out").open("w") as out:
        child = start_cold(["cat"], {}, out.fileno(), out.fileno())
        child.stdin.close()
        assert child.wait(PATIENCE_S) == 0


def test_a_frozen_server_holds_up_no_training(planner, warm, tmp_path):
    """It can neither tell of its worker's end nor close what it holds of it."""
    plan = planner(tmp_path / "exp-1")
    frozen = []

    def freeze(event):
        if event["event"] == "started":
            frozen.append(psutil.Process(event["pid"]).parent())
            frozen[0].suspend()

    try:
        run_worker(plan, on_event=freeze, start=warm)
    finally:
        frozen[0].resume()
    assert is_finished(plan, 0)
    assert is_finished(plan, 1)


def test_what_is_imported_leaves_the_driver_alone(stub_driver):
    """A look at the GPUs would leave a thread of the driver's, and no worker could be forked."""
    script = (
        "import torch; torch.version.cuda = '13.0'; from arc_core.training import libraries;"
        "libraries.load();"
        "import pynvml; print('nvidia-ml' in open('/proc/self/maps').read(), bool(pynvml.nvmlInit))"
    )
    command = [sys.executable, "-c", script]
    said = subprocess.run(command, env=variables(stub_driver), check=True, capture_output=True, text=True)
    assert said.stdout.split() == ["False", "True"]
