"""Workers that are killed with all they run: Prefect would hold their runs for running for ever."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from arc_core.experiments.board import Proposal
from arc_core.experiments.lease import Lease
from benchmarks.asleep import python_path
from tests.command import TINY, environment, memory_in
from tests.conftest import ROOT

PREFECT = Path(sys.executable).with_name("prefect")
THREE = [*TINY, "launch=pool", "board.experiments_per_cycle=3"]


@dataclass
class Site:
    """A server, and workers that can be killed and started again."""

    home: Path
    url: str
    env: dict[str, str]
    workers: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    def start_workers(self) -> None:
        self.workers = [
            subprocess.Popen([PREFECT, "worker", "start", "--pool", pool], cwd=ROOT, env=self.env)
            for pool in ("arc-control", "arc-gpu")
        ]

    def kill_workers(self) -> None:
        """As when the machine is lost: the workers, the cycle, the trainings and all they started."""
        for worker in self.workers:
            if worker.poll() is None:
                processes = psutil.Process(worker.pid).children(recursive=True)
                worker.kill()
                worker.wait()
                for process in processes:
                    with suppress(psutil.NoSuchProcess):
                        process.kill()
                psutil.wait_procs(processes)

    def start_cycle(self) -> None:
        command = ["deployment", "run", "arc/continuous", "--param", f"overrides={json.dumps(THREE)}"]
        subprocess.run([PREFECT, *command], cwd=ROOT, env=self.env, check=True, capture_output=True)

    def training(self) -> tuple[Lease, ...]:
        return memory_in(self.home).leases.held() if (self.home / "arc.db").exists() else ()

    def proposals(self) -> tuple[Proposal, ...]:
        memory = memory_in(self.home)
        (study,) = memory.studies()
        return memory.kept(memory.cycles(study)[0].id, Proposal)

    def runs(self, flow: str) -> list[FlowRun]:
        with SyncPrefectClient(f"{self.url}/api") as client:
            names = {run.id: client.read_flow(run.flow_id).name for run in client.read_flow_runs()}
            return [r for r in client.read_flow_runs() if names.get(r.id) == flow and not r.auto_scheduled]


def wait_until(happened: Callable[[], bool]) -> float:
    """Seconds it took; pytest's time-out is the limit."""
    began = time.monotonic()
    while not happened():
        time.sleep(0.5)
    return time.monotonic() - began


@pytest.fixture
def site(tmp_path) -> Iterator[Site]:
    """Its trainings are real workers that sleep for longer than the test looks on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home, url = tmp_path / "home", f"http://127.0.0.1:{port}"
    settings = {
        "PREFECT_API_URL": f"{url}/api",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PYTHONPATH": python_path(tmp_path, seconds=3600),
    }
    env = environment(home, **settings) | {"PATH": f"{PREFECT.parent}:{os.environ['PATH']}"}
    server = f"-m flows.prefect_server server start --host 127.0.0.1 --port {port} --log-level WARNING"
    with subprocess.Popen([sys.executable, *server.split()], env=env) as process:
        found = Site(home=home, url=url, env=env)
        try:
            with SyncPrefectClient(f"{url}/api") as client:
                wait_until(lambda: client.api_healthcheck() is None)
            subprocess.run([ROOT / "scripts" / "deploy"], env=env, check=True, capture_output=True)
            found.start_workers()
            yield found
        finally:
            found.kill_workers()
            process.terminate()


def test_the_places_of_dead_runs_are_free_again(site):
    site.start_cycle()
    wait_until(lambda: len(site.training()) == 3)
    first = {run.id for run in site.runs("train")}
    assert len(first) == 3
    hypotheses = {proposal.hypothesis for proposal in site.proposals()}
    assert all(run.name.partition(": ")[2] in hypotheses for run in site.runs("train"))

    site.kill_workers()
    assert {run.state_name for run in site.runs("train")} == {"Running"}, "nobody has told the server"
    site.start_workers()
    site.start_cycle()
    took = wait_until(lambda: len(site.training()) == 3 and len(site.runs("train")) == 6)
    print(f"all three places were in use again after {took:.0f} s")
    states = {run.id: run.state_name for run in site.runs("train")}
    assert {states[run] for run in first} == {"Crashed"}
    memory = memory_in(site.home)
    (study,) = memory.studies()
    assert [cycle.number for cycle in memory.cycles(study)] == [1], "it is the same cycle, taken up again"

    site.kill_workers()  # and now no cycle comes to see to it
    wait_until(lambda: {r.state_name for r in site.runs("train") + site.runs("arc")} == {"Crashed"})
