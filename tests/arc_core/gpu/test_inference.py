"""The lease of a language model's server."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from arc_core.errors import LeaseDenied, NoRoom
from arc_core.experiments.memory import Memory
from arc_core.gpu.inference import lease_inference
from arc_core.gpu.inventory import Gpu
from arc_core.settings import Settings, load_settings

SERVER = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'] or 'CPU', os.getpid(), flush=True); input()"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(_env_file=None, home=tmp_path / "home")


@pytest.fixture
def memory(settings: Settings) -> Iterator[Memory]:
    with closing(Memory(settings.store_url)) as memory:
        yield memory


def machine(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    found = tuple(
        Gpu(index=index, uuid=f"GPU-{index}", name="test", memory_total_mib=48_000, memory_used_mib=0)
        for index in range(gpus)
    )
    monkeypatch.setattr("arc_core.gpu.inference.read_inventory", lambda: found)


def test_servers_share_the_gpu_that_is_kept_for_them(memory, settings, monkeypatch):
    machine(monkeypatch, 3)
    with lease_inference(memory.leases, settings, 30_000) as first:
        assert (first.gpu_ids, first.request.purpose) == ((2,), "inference")
        assert memory.leases.held() == (first,)
        with lease_inference(memory.leases, settings, 10_000) as second:
            assert second.gpu_ids == (2,)
        with (
            pytest.raises(NoRoom, match=r"GPU 2 has 17\.6 of 46\.9 GiB free; inference needs 19\.5 GiB"),
            lease_inference(memory.leases, settings, 20_000),
        ):
            pass
        assert memory.leases.live() == (first,)
    assert memory.leases.live() == ()


def test_a_gpu_that_is_not_there_is_refused_at_once(memory, settings, monkeypatch):
    machine(monkeypatch, 2)
    with (
        pytest.raises(LeaseDenied, match="ARC_INFERENCE_GPU names 0 that exist; got GPU 0, 1"),
        lease_inference(memory.leases, settings, 1),
    ):
        pass


@pytest.fixture
def served(memory, settings) -> Iterator["tuple[subprocess.Popen[str], int]"]:
    """The command around a server, and the server's pid."""
    if Path("/proc/driver/nvidia").exists():
        pytest.skip("this machine has an NVIDIA driver; the lease would be of its own GPU")
    command = [sys.executable, "-m", "arc_core.gpu.inference", "--memory-gib", "40", sys.executable, "-c"]
    process = subprocess.Popen(
        [*command, SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "ARC_HOME": str(settings.home)},
    )
    device, pid = process.stdout.readline().split()
    assert device == "CPU"
    yield process, int(pid)
    process.kill()
    process.communicate()


def test_a_server_holds_its_lease_while_it_runs(memory, served):
    process, _ = served
    assert [lease.request.memory_mib for lease in memory.leases.held()] == [40 * 1024]
    process.communicate("\n")
    assert process.returncode == 0
    assert memory.leases.live() == ()


def test_a_server_that_outlives_its_command_has_its_lease_still(memory, served):
    process, pid = served
    while not memory.leases.held()[0].workers:
        pass
    server = psutil.Process(pid)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(memory.leases.held()) == 1
    server.kill()
    psutil.wait_procs([server], timeout=60)
    assert memory.leases.held() == ()


def test_a_command_is_asked_for():
    ran = subprocess.run(
        [sys.executable, "-m", "arc_core.gpu.inference", "--memory-gib", "40"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 2
    assert "which server? Give its command" in ran.stderr
