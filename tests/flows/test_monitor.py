"""The monitor as a user runs it: a process of its own, real HTTP, GPUs of a stub driver or simulated."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.command import environment, memory_in
from tests.contracts.records import STUDY, decision, holding, proposal
from tests.nvml import driver_here

ABSENT = {"STUB_NVML_INIT": "9"}
"""The stub says that no driver is loaded."""


@pytest.fixture
def home(tmp_path) -> Path:
    return tmp_path / "home"


def start(home: Path, library: Path, *arguments: str, **variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "flows.monitor", *arguments],
        cwd=home.parent,  # where no .env lies
        env=environment(home, LD_LIBRARY_PATH=str(library), **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(home: Path, library: Path, *arguments: str, **variables: str) -> tuple[int, str, str]:
    process = start(home, library, *arguments, **variables)
    out, err = process.communicate()
    return process.returncode, out, err


@contextmanager
def going(home: Path, library: Path, *arguments: str, **variables: str) -> Iterator["subprocess.Popen[str]"]:
    process = start(home, library, *arguments, **variables)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def scraped(process: "subprocess.Popen[str]") -> str:
    """What the endpoint that the process has told of answers."""
    address = process.stderr.readline().strip().removeprefix("metrics: ")
    return httpx.get(address).raise_for_status().text


def test_the_table_shows_every_gpu_and_makes_no_store(home, stub_driver):
    code, out, err = run(home, stub_driver)
    assert (code, err) == (0, "")
    rows = [[cell.strip() for cell in line.split("│")] for line in out.splitlines() if "│" in line]
    assert rows[0][1:8] == ["0", "Stub 0", "█████████░  90 %", "░░░░░░░░░░    1.0/24.0", "60", "35", "250"]
    assert [row[8] for row in rows] == ["4711 (512 MiB)", "4712 (– MiB)", "0"]
    assert rows[2][6:8] == ["–", "–"], "no fan and no power reading"
    assert "SIMULATED" not in out
    assert not home.exists()


def test_a_machine_without_a_driver_shows_simulated_gpus_marked_as_such(home, stub_driver):
    code, out, _ = run(home, stub_driver, "--once", **ABSENT)
    assert code == 0
    rows = [line for line in out.splitlines() if "│" in line]
    assert len(rows) == 3
    assert all("A40 (SIMULATED)" in row for row in rows)
    assert out.count("SIMULATED: no such GPU exists, nothing trains on it") == 2, "above and below"


def test_without_nvidias_library_too(home, tmp_path):
    if driver_here():
        pytest.skip("this machine has an NVIDIA driver")
    code, out, _ = run(home, tmp_path, "--json")
    assert (code, json.loads(out)["simulated"]) == (0, True)


@pytest.mark.parametrize(
    ("stub", "simulated"), [({}, False), (ABSENT, True), ({"ARC_GPU_MODE": "simulated"}, True)]
)
def test_json_is_one_document_that_says_what_is_simulated(home, stub_driver, stub, simulated):
    code, out, _ = run(home, stub_driver, "--json", **stub)
    document = json.loads(out)
    assert (code, document["simulated"]) == (0, simulated)
    assert len(document["gpus"]) == (3 if simulated else 2)
    assert {"SIMULATED" in gpu["name"] for gpu in document["gpus"]} == {simulated}
    assert document["gpus"][-1]["fan_percent"] is None


def test_a_running_experiment_is_shown_with_its_gpu(home, stub_driver):
    memory = memory_in(home)
    memory.register_study(STUDY)
    cycle = memory.begin_cycle(STUDY.id)
    memory.keep_decisions(cycle, [decision("prop-1")], {"prop-1": proposal(1)})
    (experiment,) = memory.experiments(STUDY.id)
    holding(memory, experiment.id, 1)
    memory.close()
    _, out, _ = run(home, stub_driver)
    (row,) = [line for line in out.splitlines() if "Stub 1" in line]
    assert f"{experiment.id} 0 min" in row
    assert re.search(rf"{experiment.id} +│ GPU 1 +│ +0 │ +5 │ pid {os.getpid()} on ", out)
    _, out, _ = run(home, stub_driver, "--json")
    (lease,) = json.loads(out)["leases"]
    assert (lease["gpu_ids"], lease["request"]["experiment_id"]) == ([1], experiment.id)
    with going(home, stub_driver, "--prometheus", str(free_port())) as process:
        assert f'arc_gpu_job{{gpu="1",job="{experiment.id}",simulated="false"}} 1.0' in scraped(process)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_watch_goes_on_until_it_is_stopped(home, stub_driver, number):
    with going(home, stub_driver, "--watch", "--json", "--interval", "0.5", **ABSENT) as process:
        documents = [json.loads(process.stdout.readline()) for _ in range(4)]
        process.send_signal(number)
        _, err = process.communicate()
        assert (process.returncode, err) == (0, "")
    assert len({document["at"] for document in documents}) == 4
    assert all(document["simulated"] for document in documents)
    assert len({str(document["gpus"]) for document in documents}) > 1, "it shows movement"


def test_a_gpu_that_is_lost_ends_the_watch_with_its_name(home, stub_driver):
    code, out, err = run(home, stub_driver, "--watch", "--interval", "0.5", STUB_NVML_LOST_AFTER="3")
    assert code == 1
    assert out.count("Stub 1") == 2, "of three readings one settled that there is a driver"
    assert err.startswith("ArcError: GPU 1: ")
    assert "lost" in err


def test_a_driver_that_is_missed_is_no_reason_to_simulate(home, stub_driver):
    code, out, err = run(home, stub_driver, ARC_GPU_MODE="real", **ABSENT)
    assert (code, out) == (1, "")
    assert "ARC_GPU_MODE is real" in err


@pytest.mark.parametrize("simulated", [False, True])
def test_prometheus_reads_the_metrics_on_loopback_only(home, stub_driver, simulated):
    port = free_port()
    with going(home, stub_driver, "--prometheus", str(port), **(ABSENT if simulated else {})) as process:
        text = scraped(process)
        listening = {c.laddr for c in psutil.Process(process.pid).net_connections() if c.status == "LISTEN"}
        assert listening == {("127.0.0.1", port)}
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate()
        assert (process.returncode, out, err) == (0, "", "")
    lines = [line for line in text.splitlines() if line.startswith("arc_gpu")]
    assert all(f'simulated="{str(simulated).lower()}"' in line for line in lines)
    if simulated:
        helps = [line for line in text.splitlines() if line.startswith("# HELP arc_gpu_")]
        assert all("SIMULATED" in line for line in helps if "arc_gpu_readable" not in line)
        return
    found = dict(re.findall(r'^(arc_gpu_\w+){gpu="0".*} (.*)$', text, re.MULTILINE))
    assert {name.removeprefix("arc_gpu_"): float(value) for name, value in found.items()} == {
        "memory_used_bytes": 2**30,
        "memory_total_bytes": 24 * 2**30,
        "utilisation_ratio": 0.9,
        "temperature_celsius": 60,
        "fan_ratio": 0.35,
        "power_watts": 250.5,
        "processes": 2,
    }
    missing = [line for line in lines if 'gpu="1"' in line and ("fan" in line or "power" in line)]
    assert missing == [], "what the card does not offer has no line"


def test_prometheus_is_told_when_the_gpus_cannot_be_read(home, stub_driver):
    port = str(free_port())
    with going(home, stub_driver, "--prometheus", port, STUB_NVML_LOST_AFTER="2") as process:
        text = scraped(process)
        assert [line for line in text.splitlines() if not line.startswith("#")] == [
            'arc_gpu_readable{simulated="false"} 0.0'
        ]
        assert process.stderr.readline().startswith("ArcError: GPU 1: ")


def test_a_port_in_use_is_bad_input(home, stub_driver):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, _, err = run(home, stub_driver, "--prometheus", port)
    assert code == 2
    assert err.startswith("BadInput: --prometheus: the port can't be used")
    assert port in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--prometheus", "0"), "from 1 to 65535"),
        (("--prometheus", "65536"), "from 1 to 65535"),
        (("--prometheus", "http"), "from 1 to 65535"),
        (("--watch", "--interval", "0.4"), "from 0.5 to 600"),
        (("--watch", "--interval", "nan"), "from 0.5 to 600"),
        (("--interval", "5"), "needs --watch"),
        (("--once", "--watch"), "not allowed with"),
        (("--once", "--prometheus", "9000"), "leave out --once"),
    ],
)
def test_bad_arguments_are_explained(home, stub_driver, arguments, words):
    code, out, err = run(home, stub_driver, *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_reader_that_has_seen_enough_ends_the_watch(home, stub_driver):
    with going(home, stub_driver, "--watch", "--json", "--interval", "0.5") as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(), process.stderr.read()) == (0, "")
