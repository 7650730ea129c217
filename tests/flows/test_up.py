"""`scripts/up` and `scripts/health` for real: PostgreSQL, a password, parts that are killed."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from flows.part import MOST_DEATHS, SOUND_S, Part, delay
from tests.command import TINY, environment
from tests.conftest import ROOT
from tests.processes import has_ended

AUTH = "admin:hunter22-hunter22"
PREFECT = Path(sys.executable).with_name("prefect")


@dataclass(frozen=True, kw_only=True)
class Up:
    process: "subprocess.Popen[str]"
    env: dict[str, str]
    url: str
    model_port: int
    log: Path
    home: Path

    def health(self, **variables: str) -> "subprocess.CompletedProcess[str]":
        return run("health", self.env | variables)

    def part(self, *words: str) -> psutil.Process | None:
        """The child whose command has these words."""
        for child in psutil.Process(self.process.pid).children():
            command = " ".join(child.cmdline()) if child.status() != psutil.STATUS_ZOMBIE else ""
            if all(word in command for word in words):
                return child
        return None

    def wait_for(self, condition: Callable[[], object]) -> None:
        while not condition():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)


def run(script: str, env: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [ROOT / "scripts" / script, *arguments]
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, check=False)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def started(env: dict[str, str], log: Path, url: str, model_port: int) -> Up:
    with log.open("w") as out:
        process = subprocess.Popen(
            [ROOT / "scripts" / "up"], cwd="/", env=env, stdout=out, stderr=subprocess.STDOUT, text=True
        )
    up = Up(process=process, env=env, url=url, model_port=model_port, log=log, home=Path(env["ARC_HOME"]))
    up.wait_for(lambda: "Ctrl-C stops everything" in log.read_text())
    return up


@pytest.fixture(scope="module")
def up(tmp_path_factory, postgres) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    port, model_port = free_port(), free_port()
    env = environment(
        folder / "home",
        ARC_PREFECT_PORT=str(port),
        ARC_INFERENCE_COMMAND=f"{sys.executable} -m http.server --bind 127.0.0.1 {model_port}",
        PREFECT_SERVER_API_AUTH_STRING=AUTH,
        PREFECT_API_DATABASE_CONNECTION_URL=postgres.new_database().replace("://", "+asyncpg://"),
        ARC_DATABASE_URL=postgres.new_database(),
    )
    up = started(env, folder / "up.log", f"http://127.0.0.1:{port}/api", model_port)
    yield up
    if up.process.poll() is None:
        up.process.send_signal(signal.SIGTERM)
        up.process.wait()


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as reply:  # noqa: S310
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def test_without_the_password_nothing_is_told(up):
    for path in ("admin/version", "admin/settings"):
        assert status_of(f"{up.url}/{path}") == 401
    assert status_of(f"{up.url}/health") == 200


def test_every_part_is_found_healthy(up):
    up.wait_for(lambda: up.health().returncode == 0)  # a worker's first heartbeat may be on its way
    lines = up.health().stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "ok    server",
        f"ok    worker arc-control@{socket.gethostname()}",
        f"ok    worker arc-gpu@{socket.gethostname()}",
        "ok    store",
        "ok    disk",
    ]


def test_what_does_not_work_is_named(up):
    ill = up.health(PREFECT_SERVER_API_AUTH_STRING="admin:another", ARC_HEALTH_FREE_GIB="1e9")
    assert ill.returncode == 1
    server, *_, store, disk = ill.stdout.splitlines()
    assert server.startswith("FAIL  server")
    assert "401" in server
    assert store.startswith("ok")
    assert disk.startswith("FAIL  disk")
    assert AUTH not in ill.stdout + ill.stderr


def test_a_store_that_cannot_be_opened_is_named(up, tmp_path):
    ill = up.health(ARC_DATABASE_URL=f"postgresql://arc:hunter22@127.0.0.1:{free_port()}/arc")
    assert ill.returncode == 1
    assert any(line.startswith("FAIL  store") for line in ill.stdout.splitlines())
    assert "hunter22" not in ill.stdout + ill.stderr


def test_workers_and_flows_know_the_password(up):
    given = [f"--param=overrides={json.dumps(TINY)}", "--param=dry_run=true"]
    ran = subprocess.run(
        [PREFECT, "deployment", "run", "arc/continuous", "--watch", *given],
        cwd=ROOT,
        env=up.env | {"PREFECT_API_URL": up.url, "PREFECT_API_AUTH_STRING": AUTH},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Completed" in ran.stdout


def test_the_log_tells_of_the_flow_in_json_and_not_of_the_passwords(up):
    up.wait_for(lambda: "flow_run_id" in (up.home / "logs" / "arc.jsonl").read_text())
    text = (up.home / "logs" / "arc.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert {"prefect.flow_runs", "tasks.cycle"} <= {line["logger"] for line in lines}
    runs = {line["flow_run_id"] for line in lines if line["logger"] == "prefect.flow_runs"}
    assert any(line["flow_run_id"] in runs and line["cycle"] for line in lines if "cycle" in line)
    assert AUTH.partition(":")[2] not in text + up.log.read_text()


def test_the_model_server_runs_and_holds_its_lease(up):
    up.wait_for(lambda: answers(up.model_port))
    assert up.part("arc_core.gpu.inference", "http.server") is not None


def answers(port: int) -> bool:
    with socket.socket() as asked:
        return asked.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("part", ["worker start --pool arc-gpu", "worker start --pool arc-control"])
def test_a_killed_worker_comes_back(up, part):
    before = up.part(part)
    assert before is not None
    before.kill()
    up.wait_for(lambda: (now := up.part(part)) is not None and now.pid != before.pid)
    assert "was ended by signal 9; it starts again in 1 s (death 1 of" in up.log.read_text()
    up.wait_for(lambda: up.health().returncode == 0)


def test_a_killed_server_comes_back(up):
    before = up.part("flows.prefect_server", "server start")
    assert before is not None
    before.kill()
    up.wait_for(lambda: up.health().returncode == 0 and up.part("server start") != before)


DEAF = """import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("it is deaf", flush=True)
signal.sigwait([signal.SIGHUP])
"""


def test_a_machine_may_work_for_a_server_elsewhere(up, tmp_path):
    """It starts none, leaves that one running, and a second signal ends what does not hear the first."""
    env = {name: value for name, value in up.env.items() if name != "ARC_PREFECT_PORT"} | {
        "PREFECT_API_URL": up.url,
        "PREFECT_API_AUTH_STRING": AUTH,
        "ARC_POOLS": "arc-gpu",
        "ARC_INFERENCE_COMMAND": shlex.join([sys.executable, "-c", DEAF]),
    }
    other = started(env, tmp_path / "up.log", up.url, 0)
    other.wait_for(lambda: "it is deaf" in other.log.read_text())
    assert other.part("worker start --pool arc-gpu") is not None
    assert other.part("server start") is None
    assert "arc-control" not in other.health().stdout
    tree = psutil.Process(other.process.pid).children(recursive=True)
    other.process.send_signal(signal.SIGTERM)
    other.wait_for(lambda: "Stopping workers and server" in other.log.read_text())
    other.process.send_signal(signal.SIGTERM)
    assert other.process.wait() == 0
    assert "does not stop by itself; ending it" in other.log.read_text()
    assert all(has_ended(process.pid) for process in tree)
    assert up.part("server start") is not None


def test_sigterm_ends_all_of_it(up):
    """The last of these tests: it ends what the others need."""
    tree = psutil.Process(up.process.pid).children(recursive=True)
    assert len(tree) >= 5  # server, two workers, the lease's holder and the model's server
    up.process.send_signal(signal.SIGTERM)
    assert up.process.wait() == 0
    assert all(has_ended(process.pid) for process in tree)
    assert not answers(up.model_port)
    assert "does not stop by itself" not in up.log.read_text()


def test_what_dies_at_once_is_given_up_after_some_time(tmp_path):
    part = Part(name="it", command=["false"])
    waits = []
    for _ in range(MOST_DEATHS):
        part.start(tmp_path, os.environ)
        assert part.process is not None
        said = part.died(os.waitpid(part.process.pid, 0)[1], part.started)
        assert "exit code 1" in said
        waits.append(None if part.due is None else part.due - part.started)
    assert waits[:-1] == pytest.approx([1, 2, 4, 8, 16])
    assert waits[-1] is None
    assert "not started again" in said


def test_a_worker_that_can_not_live_ends_the_rest(tmp_path):
    nowhere = f"http://127.0.0.1:{free_port()}/api"
    ended = run("up", environment(tmp_path / "home", PREFECT_API_URL=nowhere, ARC_POOLS="arc-gpu"))
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "it starts again in 16 s (death 5 of 6)" in ended.stderr
    assert "for the 6th time in a row; it is not started again\nStopping the rest." in ended.stderr


def test_what_ran_long_before_it_died_begins_anew(tmp_path):
    part = Part(name="it", command=["true"], deaths=MOST_DEATHS - 1)
    part.start(tmp_path, os.environ)
    assert part.process is not None
    part.died(os.waitpid(part.process.pid, 0)[1], part.started + SOUND_S)
    assert (part.deaths, part.due) == (1, part.started + SOUND_S + delay(1))


def test_the_wait_has_an_end():
    assert delay(100) == 60
