"""Where a person must agree, the cycle waits for them in Prefect's UI, and nothing trains before."""

import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.objects import FlowRun

from arc_core.experiments.board import Decision, Directive, Proposal
from arc_core.experiments.memory import Memory
from tests.browser import driven
from tests.command import TINY, environment, memory_in, run_cycle, start_cycle
from tests.lossy import lossy_way

ONE = (*TINY, "board.experiments_per_cycle=1")
YES = {"name": "Ann", "p1_decision": "approve"}


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[str]:
    """The API of a Prefect server whose UI works in a browser."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url, home = f"http://127.0.0.1:{port}", tmp_path_factory.mktemp("server") / "home"
    start = (sys.executable, "-m", "flows.prefect_server", "server", "start")
    process = subprocess.Popen(
        [*start, "--host", "127.0.0.1", "--port", str(port), "--log-level", "ERROR"],
        env=environment(home, PREFECT_API_URL=f"{url}/api"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not answers(url):
        assert process.poll() is None
        time.sleep(0.2)
    yield f"{url}/api"
    process.terminate()
    process.wait()


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/health").is_success
    except httpx.TransportError:
        return False


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A cycle in a process of its own, that asks a person."""

    process: "subprocess.Popen[str]"
    home: Path
    api: str

    @property
    def memory(self) -> Memory:
        return memory_in(self.home)

    @property
    def study(self) -> str:
        (study,) = self.memory.studies()
        return study

    def asked(self) -> str:
        """Wait for the next question; the page where it can be answered."""
        for line in self.process.stderr:
            if found := re.search(r"Waiting for a person \(\w+\), at (\S+):", line):
                return found[1]
        raise AssertionError(self.process.stdout.read())

    def run(self, page: str) -> FlowRun:
        """The flow run, once it is paused."""
        with SyncPrefectClient(self.api) as client:
            while True:
                run = client.read_flow_run(page.rpartition("/")[2])
                if run.state.is_paused():
                    return run
                time.sleep(0.1)

    def field(self, page: str, name: str) -> dict:
        """A field of the form, as its schema has it."""
        while (read := httpx.get(self._form(self.run(page)))).is_error:
            time.sleep(0.1)  # it pauses, and saves the form a moment later; or pauses anew, with another form
        return read.json()["properties"][name]

    def _form(self, run: FlowRun) -> str:
        key = run.state.state_details.run_input_keyset["schema"]
        return f"{self.api}/flow_runs/{run.id}/input/{key}"

    def answer(self, page: str, **fields: object) -> str:
        """Send the form; ACCEPT, or how the server refused it."""
        with SyncPrefectClient(self.api) as client:
            while True:
                sent = client.resume_flow_run(self.run(page).id, run_input=fields)
                # The form is saved a moment after the pause, and a busy server's run may pause twice.
                if not re.search("schema not found|not paused", str(sent.details)):
                    return sent.status.value

    def end(self) -> tuple[int, str]:
        """Wait for the process; its exit code and all it said."""
        out, err = self.process.communicate()
        return self.process.returncode, out + err

    def report(self) -> str:
        (page,) = (self.home / "report").glob("*/cycle-*.html")
        return page.read_text()


@pytest.fixture
def ask(server, tmp_path) -> Iterator:
    """Start a cycle that asks."""
    started = []

    def start(*overrides: str, home: Path = tmp_path / "home") -> Waiting:
        process = start_cycle(home, *ONE, *overrides, PREFECT_API_URL=server)
        started.append(process)
        return Waiting(process=process, home=home, api=server)

    yield start
    for process in started:
        process.kill()
        process.communicate()


def nothing_trains(cycle: Waiting, seconds: float) -> None:
    """Watch the store and the runs for a while: no experiment is there that anybody could train."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        assert cycle.memory.experiments(cycle.study) == ()
        assert not (cycle.home / "runs").exists()
        time.sleep(0.2)


def test_auto_trains_what_a_person_made_of_it_and_nothing_before(ask):
    cycle = ask("board.autonomy=auto")
    page = cycle.asked()
    cycle.run(page)
    nothing_trains(cycle, seconds=6)
    assert cycle.answer(page, name="Ann") == "REJECT"  # the form wants a decision
    assert cycle.answer(page, **YES, p1_changes='{"epochs": 500}', comment="longer") == "ACCEPT"
    again = cycle.asked()
    nothing_trains(cycle, seconds=3)
    assert cycle.field(again, "p1_changes")["default"] == '{"epochs": 500}'
    assert "outside the search space" in cycle.field(again, "name")["description"]
    assert cycle.answer(again, **YES, p1_changes='{"epochs": 4}', comment="longer") == "ACCEPT"
    code, said = cycle.end()
    assert code == 0, said
    (experiment,) = cycle.memory.experiments(cycle.study)
    assert experiment.outcome.status == "finished"
    assert experiment.outcome.spec.epochs == 4
    assert {point.epoch for point in cycle.memory.result(experiment.id).curve} == {1, 2, 3, 4}
    decided = {d.proposal_id: d for d in cycle.memory.kept(1, Decision)}
    (approval,) = cycle.memory.approvals.of_cycle(1).values()
    (original,) = approval.edits
    assert approval.edits[original] == experiment.proposal_id
    assert (approval.approver, approval.comment, approval.approved) == (
        "Ann",
        "longer",
        (experiment.proposal_id,),
    )
    assert decided[original].outcome == "revise"
    assert "edited by Ann" in decided[original].reason
    assert {p.id for p in cycle.memory.kept(1, Proposal)} == decided.keys()
    assert "Who approved what" in cycle.report()
    assert "1 approved (1 edited), 0 rejected" in cycle.report()


def test_what_a_person_rejects_never_trains(ask):
    cycle = ask("board.autonomy=auto")
    assert cycle.answer(cycle.asked(), name="Ann", p1_decision="reject", comment="too dear") == "ACCEPT"
    code, said = cycle.end()
    assert code == 0, said
    assert "Ann rejected every experiment" in said
    assert cycle.memory.experiments(cycle.study) == ()
    assert not (cycle.home / "runs").exists()
    assert "rejected by Ann: too dear" in {d.reason for d in cycle.memory.kept(1, Decision)}
    assert [c.status for c in cycle.memory.cycles(cycle.study)] == ["finished"]


def test_the_time_limit_rejects(ask):
    cycle = ask("board.autonomy=auto", "board.approval_hours=0.001")
    page = cycle.asked()
    code, said = cycle.end()
    assert code == 0, said
    assert "the time limit rejected every experiment" in said
    assert cycle.memory.experiments(cycle.study) == ()
    (approval,) = cycle.memory.approvals.of_cycle(1).values()
    assert (approval.approver, approval.outcome) == (None, "reject")
    with SyncPrefectClient(cycle.api) as client:
        assert client.read_flow_run(page.rpartition("/")[2]).state.is_completed()


def test_semi_ends_where_the_directive_is_rejected(ask):
    cycle = ask("board.autonomy=semi")
    assert cycle.answer(cycle.asked(), name="Ann", decision="reject") == "ACCEPT"
    code, said = cycle.end()
    assert code == 0, said
    assert "Ann rejected the directive: nothing new ran." in said
    assert cycle.memory.kept(1, Proposal) == ()
    assert cycle.memory.experiments(cycle.study) == ()


def test_an_interrupted_question_is_asked_again_whatever_the_mode_and_an_answer_is_kept(ask, tmp_path):
    first = ask("board.autonomy=semi")
    wanted = {"mode": "recover", "exploit": 0, "explore": 1, "wildcat": 0}
    assert first.answer(first.asked(), name="Ann", decision="approve", **wanted) == "ACCEPT"
    first.asked()
    first.process.kill()
    first.end()
    alone = run_cycle(first.home, *ONE)
    assert alone.code == 2, alone.out + alone.err
    assert "PREFECT_API_URL" in alone.err
    nothing_trains(first, seconds=0.5)
    second = ask("board.autonomy=full")
    assert second.answer(second.asked(), name="Bob", p1_decision="approve") == "ACCEPT"
    code, said = second.end()
    assert code == 0, said
    (directive,) = second.memory.kept(1, Directive)
    assert directive.mode == "recover"
    assert "Ann changed mode from explore to recover" in directive.notes
    assert {s: a.who for s, a in second.memory.approvals.of_cycle(1).items()} == {
        "directive": "Ann",
        "experiments": "Bob",
    }
    assert [e.outcome.status for e in second.memory.experiments(second.study)] == ["finished"]


def test_what_was_stopped_before_anybody_was_asked_needs_a_yes_too(ask, server):
    cycle = ask("board.autonomy=full", "spec.epochs=60")
    while not list(cycle.home.glob("runs/*/plan.json")):
        assert cycle.process.poll() is None
        time.sleep(0.1)
    cycle.process.terminate()
    cycle.end()
    (left,) = cycle.memory.experiments(cycle.study)
    assert not left.outcome.has_ended
    again = ask("board.autonomy=auto", "spec.epochs=60")
    page = again.asked()
    assert left.id in cycle.field(page, "p1_decision")["description"].replace("\\", "")
    assert again.answer(page, name="Ann", p1_decision="reject") == "ACCEPT"
    again.end()
    (left,) = cycle.memory.experiments(cycle.study)
    assert (left.outcome.status, left.outcome.reason) == ("withdrawn", "rejected by Ann")


def test_a_question_whose_answer_got_lost_is_asked_all_the_same(tmp_path, server):
    with lossy_way(server, b"/set_state", b'"PAUSED"') as way:
        process = start_cycle(tmp_path / "home", *ONE, "board.autonomy=auto", PREFECT_API_URL=way.url)
        try:
            cycle = Waiting(process=process, home=tmp_path / "home", api=server)
            page = cycle.asked()
            assert cycle.field(page, "p1_decision")
            assert cycle.answer(page, name="Ann", p1_decision="reject") == "ACCEPT"
            code, said = cycle.end()
        finally:
            process.kill()
            process.communicate()
        assert way.lost.is_set()
    assert code == 0, said
    assert cycle.memory.experiments(cycle.study) == ()


@pytest.mark.parametrize("mode", ["semi", "auto"])
def test_a_temporary_server_can_ask_nobody(tmp_path, mode):
    ran = run_cycle(tmp_path / "home", *ONE, f"board.autonomy={mode}")
    assert ran.code == 2
    assert ran.err.startswith("ConfigError: board.autonomy: a person has to answer in Prefect's UI")
    for part in (f"got {mode}", "expected the address", "make up", "PREFECT_API_URL"):
        assert part in ran.err
    assert not (ran.home / "arc.db").exists()


def test_off_opens_no_cycle(tmp_path, server):
    ran = run_cycle(tmp_path / "home", *ONE, "board.autonomy=off", PREFECT_API_URL=server)
    assert ran.code == 0, ran.err
    assert ran.out == "board.autonomy is off: no cycle was opened and nothing ran.\n"
    assert not (ran.home / "arc.db").exists()
    with SyncPrefectClient(server) as client:
        assert "Off" in {run.state_name for run in client.read_flow_runs()}


def test_a_dry_run_asks_nobody(tmp_path, server):
    ran = run_cycle(tmp_path / "home", *ONE, "board.autonomy=semi", "--dry-run", PREFECT_API_URL=server)
    assert ran.code == 0, ran.err
    assert "Waiting" not in ran.err
    assert "final training configuration" in ran.out


def test_a_semi_cycle_is_approved_in_a_browser(ask, tmp_path):
    pictures = Path(os.environ.get("ARC_PICTURES", tmp_path))
    cycle = ask("board.autonomy=semi", "board.experiments_per_cycle=2")
    directive = cycle.asked()
    cycle.run(directive)
    with driven(directive) as page:
        page.press("Resume")
        page.fill("Your name", "Ann")
        page.fill("Directive", "approve")
        page.picture(pictures / "directive.png")
        page.press("Submit")
        experiments = cycle.asked()
        nothing_trains(cycle, seconds=2)
    with driven(experiments) as page:
        page.press("Resume")
        page.fill("Your name", "Ann")
        page.fill("Proposal 1: baseline", "approve")
        page.fill("Proposal 2", "reject")
        page.fill("Comment", "one at a time")
        page.picture(pictures / "experiments.png")
        page.press("Submit")
        page.until("document.body.innerText.includes('Stopped')")
        page.picture(pictures / "completed.png")
    code, said = cycle.end()
    assert code == 0, said
    (experiment,) = cycle.memory.experiments(cycle.study)
    assert experiment.outcome.status == "finished"
    approvals = cycle.memory.approvals.of_cycle(1)
    assert [(a.approver, a.words) for a in approvals.values()] == [
        ("Ann", "approved"),
        ("Ann", "1 approved, 1 rejected"),
    ]
