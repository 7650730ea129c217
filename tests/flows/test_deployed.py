"""ARC deployed: server, work pools and workers of its own; a cycle that fails, is mended and retried."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from arc_core.training.checkpoint import PREFIX
from tests.browser import rendered
from tests.command import TINY, environment, memory_in
from tests.conftest import ROOT

EXPERIMENTS = 4  # one more than may train at once
TRAININGS = EXPERIMENTS + 2  # the first champion's with further seeds
OVERRIDES = [*TINY, "launch=pool", f"board.experiments_per_cycle={EXPERIMENTS}"]
ONE = [*TINY, "launch=pool", "board.experiments_per_cycle=1"]
TRAINS_S = 10.0  # from a worker's start to well within its first fold
ONCE = ("--param", "max_cycles=1")
PREFECT = Path(sys.executable).with_name("prefect")


@dataclass(frozen=True, kw_only=True)
class Up:
    """A running `scripts/up`."""

    process: "subprocess.Popen[str]"
    home: Path
    url: str
    env: dict[str, str]
    log: Path

    def prefect(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """One command of Prefect's own command line."""
        return subprocess.run(
            [PREFECT, *arguments], cwd=ROOT, env=self.env, capture_output=True, text=True, check=False
        )

    def client(self) -> SyncPrefectClient:
        return SyncPrefectClient(f"{self.url}/api")

    def runs(self, pool: str) -> list[FlowRun]:
        """The flow runs of a work pool, but for those that the schedule has laid out ahead."""
        with self.client() as client:
            return [r for r in client.read_flow_runs() if r.work_pool_name == pool and not r.auto_scheduled]


@pytest.fixture(scope="module")
def up(tmp_path_factory) -> Iterator[Up]:
    yield from on_a_free_port(tmp_path_factory.mktemp("deployed") / "home")


def on_a_free_port(home: Path, **variables: str) -> Iterator[Up]:
    """`make up`, till the caller is done with it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    up = make_up(home, port, **variables)
    yield up
    if up.process.poll() is None:
        stop(up.process)


def make_up(home: Path, port: int, **variables: str) -> Up:
    url, log = f"http://127.0.0.1:{port}", home.parent / "up.log"
    env = environment(home, ARC_PREFECT_PORT=str(port), PREFECT_API_URL=f"{url}/api", **variables)
    with log.open("w") as out:
        process = subprocess.Popen(
            [ROOT / "scripts" / "up"], cwd=ROOT, env=env, stdout=out, stderr=subprocess.STDOUT, text=True
        )
    while "Ctrl-C stops everything" not in log.read_text():
        assert process.poll() is None, log.read_text()
        time.sleep(0.2)
    return Up(process=process, home=home, url=url, env=env, log=log)


def stop(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """Ctrl-C; what `scripts/up` had started."""
    started = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    process.wait(timeout=120)
    return started


@pytest.fixture(scope="module")
def failed(up) -> FlowRun:
    """A cycle that trains, and then can't write its report."""
    up.home.mkdir(exist_ok=True)
    (up.home / "report").write_text("in the way of the folder of this name")
    ran = up.prefect(
        *("deployment", "run", "arc/continuous", "--watch", "--param", f"overrides={json.dumps(OVERRIDES)}"),
        *ONCE,
    )
    assert ran.returncode == 1, ran.stdout + ran.stderr
    (run,) = up.runs("arc-control")
    return run


@pytest.fixture(scope="module")
def sealed(up, failed) -> dict[Path, tuple[bytes, int]]:
    """What the failed cycle had trained: each fold's seal and when it was written."""
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns)
        for path in (up.home / "runs").glob("*/fold-*/done.json")
    }


@pytest.fixture(scope="module")
def retried(up, failed, sealed) -> FlowRun:
    """The same run, retried after the mend."""
    (up.home / "report").unlink()
    ran = up.prefect("flow-run", "retry", str(failed.id))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    with up.client() as client:
        while True:
            run = client.read_flow_run(failed.id)
            if run.run_count > failed.run_count and run.state.is_final():
                return run
            time.sleep(0.5)


def artifact(up: Up, key: str) -> dict:
    """The newest artifact of a key, as the API gives it."""
    with up.client() as client:
        found = client.request(
            "POST", "/artifacts/latest/filter", json={"artifacts": {"key": {"any_": [key]}}}
        )
        (only,) = found.json()
        return only


def test_the_address_is_told(up):
    assert f"Prefect UI: {up.url}" in up.log.read_text()


def test_a_cycle_trains_in_the_gpu_pool(up, failed):
    runs = up.runs("arc-gpu")
    assert len(runs) == TRAININGS
    with up.client() as client:
        parents = {client.read_task_run(run.parent_task_run_id).flow_run_id for run in runs}
    assert parents == {failed.id}
    for run in runs:
        assert run.state.is_completed()
        assert "gpu" in run.tags


def test_every_training_counts_towards_the_tag_limit(up, failed):
    with up.client() as client:
        found = client.request("POST", "/task_runs/filter", json={"task_runs": {"tags": {"all_": ["gpu"]}}})
    trained = {run["flow_run_id"] for run in found.json()}
    assert trained == {str(run.id) for run in up.runs("arc-gpu")}


def test_at_most_three_train_at_once(up, failed):
    runs = up.runs("arc-gpu")
    at_once = [sum(other.start_time <= run.start_time < other.end_time for other in runs) for run in runs]
    assert max(at_once) <= 3


def test_the_limits_are_three(up):
    with up.client() as client:
        assert client.read_work_pool("arc-gpu").concurrency_limit == 3
        assert client.read_work_pool("arc-gpu").type == "process"
        assert client.read_concurrency_limit_by_tag("gpu").concurrency_limit == 3


def test_deploying_again_changes_nothing(up, failed):
    def state() -> tuple[object, ...]:
        with up.client() as client:
            deployments = sorted(
                (d.name, d.id, d.global_concurrency_limit.limit if d.global_concurrency_limit else None)
                for d in client.read_deployments()
            )
            pools = sorted((p.name, p.id, p.concurrency_limit) for p in client.read_work_pools())
            limits = [(c.tag, c.concurrency_limit) for c in client.read_concurrency_limits(limit=9, offset=0)]
            return deployments, pools, limits

    before = state()
    subprocess.run([ROOT / "scripts" / "deploy"], env=up.env, check=True, capture_output=True)
    assert state() == before


def test_a_failed_cycle_says_so(up, failed):
    assert failed.state.is_failed()
    memory = memory_in(up.home)
    (study,) = memory.studies()
    assert len(memory.experiments(study)) == EXPERIMENTS


def test_a_retried_cycle_finishes_without_training_again(up, sealed, retried):
    assert retried.state.is_completed()
    assert len(sealed) == 2 * TRAININGS
    assert len(up.runs("arc-gpu")) == TRAININGS
    for path, (content, modified) in sealed.items():
        assert (path.read_bytes(), path.stat().st_mtime_ns) == (content, modified), path
    memory = memory_in(up.home)
    (study,) = memory.studies()
    assert [(cycle.number, cycle.status) for cycle in memory.cycles(study)] == [(1, "finished")]


def test_the_table_of_experiments_is_published(up, retried):
    rows = artifact(up, "arc-experiments")["data"]
    rows = json.loads(rows) if isinstance(rows, str) else rows
    memory = memory_in(up.home)
    (study,) = memory.studies()
    assert [row["experiment"] for row in rows] == [e.id for e in memory.experiments(study)]
    assert {row["data"] for row in rows} == {"simulated"}


def test_progress_is_published_for_each_training(up, failed):
    memory = memory_in(up.home)
    (study,) = memory.studies()
    for experiment in memory.experiments(study):
        assert artifact(up, f"{experiment.id}-progress")["data"] == 100


def test_the_report_is_shown_with_its_pictures(up, retried):
    report = artifact(up, "arc-report")
    assert report["type"] == "markdown"
    assert report["data"].count("](data:image/") == 4
    page = rendered(f"{up.url}/artifacts/artifact/{report['latest_id']}", until="document.images.length >= 4")
    assert re.search(r"<h1[^>]*>\s*ARC · cycle 1 · SIMULATED DATA", page)
    assert len(re.findall(r'<img[^>]*src="data:image/(?:png|jpeg);base64,', page)) == 4


@pytest.fixture(scope="module")
def stopped(up, retried) -> list[psutil.Process]:
    """Ctrl-C in the middle of the next cycle's trainings; what had been started by then."""
    done = {run.id for run in up.runs("arc-gpu")}
    ran = up.prefect("deployment", "run", "arc/continuous", "--param", f"overrides={json.dumps(ONE)}", *ONCE)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    while not any(run.state.is_running() for run in up.runs("arc-gpu") if run.id not in done):
        time.sleep(0.2)
    return stop(up.process)


def test_ctrl_c_stops_all_of_it(up, stopped):
    assert up.process.returncode == 0, up.log.read_text()
    assert len(stopped) >= 5  # server, two workers, a cycle, a training
    _, alive = psutil.wait_procs(stopped, timeout=10)  # a fork server sees its owner's end, and follows
    assert alive == []


LONG = [
    *ONE,
    *("data.split_seed=1", "spec.epochs=200", "spec.image_size_px=256", "launch.checkpoint_every_s=3600"),
]


def test_after_a_stop_the_loop_goes_on(up, stopped):
    again = make_up(up.home, int(up.url.rpartition(":")[2]))
    try:
        ran = again.prefect(
            *("deployment", "run", "arc/continuous", "--watch", "--param", f"overrides={json.dumps(ONE)}"),
            *ONCE,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        ends = [(run.name, run.state) for pool in ("arc-control", "arc-gpu") for run in again.runs(pool)]
        assert {state.name for _, state in ends} <= {"Completed", "Stopped", "Crashed", "Cancelled"}, ends
        ran = again.prefect("deployment", "run", "arc/continuous", "--param", f"overrides={json.dumps(LONG)}")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        memory = memory_in(up.home)
        while not (held := memory.leases.held()) or not held[0].workers:
            time.sleep(0.2)
        time.sleep(TRAINS_S)
    finally:
        stop(again.process)
    (study, _) = memory.studies()
    assert [(cycle.number, cycle.status) for cycle in memory.cycles(study)] == [
        (1, "finished"),
        (2, "finished"),
    ]
    assert {experiment.outcome.status for experiment in memory.experiments(study)} == {"finished"}
    told = memory.experiment(held[0].request.experiment_id)
    assert told.outcome.status == "stopped"
    assert list(up.home.glob(f"runs/{told.id}/fold-*/{PREFIX}*")), "written when it was told"


def test_no_place_is_held_by_what_an_earlier_stop_ended(up, stopped):
    again = make_up(up.home, int(up.url.rpartition(":")[2]))
    try:
        with again.client() as client:
            assert client.read_global_concurrency_limit_by_name("tag:gpu").active_slots == 0
    finally:
        stop(again.process)
