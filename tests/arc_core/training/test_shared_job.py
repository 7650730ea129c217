"""One experiment on machines of their own homes, which share a store and a storage."""

import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from arc_core.errors import StoreError
from arc_core.experiments.result import CASES
from arc_core.experiments.runs import Runs
from arc_core.gate.panel import judge_finished
from arc_core.gate.verdict import GateConfig
from arc_core.provenance import storage as storage_module
from arc_core.report.overlays import overlay_of, ranked_cases
from arc_core.settings import load_settings
from arc_core.training.handover import UNFINISHED
from arc_core.training.job import run_experiment
from arc_core.training.launch import LaunchConfig
from arc_core.training.predictor import Predictor, needed_of
from arc_core.training.process import run_worker
from tests.arc_core.training.test_job import Line
from tests.arc_core.training.test_resume import results
from tests.command import environment
from tests.s3 import S3Server

EVERY_EPOCH = LaunchConfig(checkpoint_every_s=0)
TRAIN = """
import sys
from arc_core.experiments.memory import Memory
from arc_core.settings import get_settings
from arc_core.training.job import run_experiment
from arc_core.training.launch import LaunchConfig

settings = get_settings()
run_experiment(
    Memory(settings.store_url), sys.argv[1], settings=settings, launch=LaunchConfig(checkpoint_every_s=0),
    on_event=lambda event: None,
)
"""


class Machines(Line):
    """The line, as seen from any of several machines."""

    def __init__(self, home: Path, plan, url: str) -> None:
        super().__init__(home, plan)
        self.url, self.store_url = url, self.settings.store_url

    def settings_of(self, name: str, **changes):
        known = {"storage_url": self.url, "database_url": self.store_url}
        home = self.settings.home.parent / name
        return load_settings(_env_file=None, home=home, **known).model_copy(update=changes)

    def runs_of(self, name: str) -> Runs:
        return Runs.of(self.settings_of(name))

    def train(self, name: str, made: str, *, on_event=None, stop=None, **changes):
        """Train it on that machine; `changes` are of its settings."""
        self.events.clear()

        def heard(event):
            self.events.append(event)
            if on_event is not None:
                on_event(event)

        return run_experiment(
            self.memory,
            made,
            settings=self.settings_of(name, **changes),
            launch=EVERY_EPOCH,
            on_event=heard,
            stop=stop,
        ).outcome

    @property
    def epochs(self) -> list[tuple[int, int]]:
        """Fold and epoch of all that the last training did."""
        return [(event["fold"], event["epoch"]) for event in self.events if event["event"] == "epoch"]


@pytest.fixture
def machines(trained, tmp_path, storage_url):
    machines = Machines(tmp_path / "home", trained[0], storage_url)
    yield machines
    machines.memory.close()


def stopped_at(machines: Machines, name: str, made: str, fold: int, epoch: int) -> None:
    stop = threading.Event()

    def hear(event):
        if (event.get("fold"), event.get("epoch")) == (fold, epoch):
            stop.set()

    assert machines.train(name, made, on_event=hear, stop=stop).status == "stopped"


def test_what_one_machine_trained_is_judged_shown_and_predicted_on_another(machines):
    machines.memory.keep(machines.cycle.id, [machines.proposal()])
    made = machines.approve()
    outcome = machines.train("one", made)
    assert outcome.status == "finished"
    files, other = machines.memory.result(made).files, machines.runs_of("two")
    kept = other.storage.sizes(made)
    assert set(kept) == set(files.values()), "all that the result rests on, and nothing else"
    assert not other.folder.exists()

    config = GateConfig(resamples=200)
    (verdict,) = judge_finished(machines.memory, machines.study, machines.cycle, other, config).verdicts
    assert verdict.outcome == "baseline"
    assert [path.name for path in (other.folder / made).rglob("*")] == [CASES]

    worst, *_ = ranked_cases(machines.memory, other, made)
    drawn = overlay_of(machines.memory, other, machines.plan.dataset, made, worst)
    assert drawn == overlay_of(machines.memory, machines.runs_of("one"), machines.plan.dataset, made, worst)
    assert drawn is not None

    needed = needed_of(files)
    assert other.fetch(made, needed) == {}
    assert len(Predictor.load(other.folder_of(made), files).ensemble.networks) == 2


def test_another_machine_goes_on_from_the_last_checkpoint(machines, planner, tmp_path):
    made = machines.approve(epochs=8)
    stopped_at(machines, "one", made, 1, 5)
    assert UNFINISHED in machines.runs_of("two").storage.sizes(made)

    assert machines.train("two", made).status == "finished"
    assert [event["fold"] for event in machines.events if event.get("reused")] == [0]
    assert set(machines.epochs) <= {(1, epoch) for epoch in range(5, 9)}, "neither fold 0 nor what was done"
    assert UNFINISHED not in machines.runs_of("two").storage.sizes(made)

    undisturbed = planner(tmp_path / "undisturbed", launch=EVERY_EPOCH, epochs=8)
    run_worker(undisturbed, on_event=lambda event: None)
    two = undisturbed.model_copy(update={"run_dir": str(machines.runs_of("two").folder_of(made))})
    assert results(two) == results(undisturbed)


def test_a_machine_that_died_leaves_its_finished_folds_to_another(machines, tmp_path):
    made = machines.approve(epochs=40)
    variables = {"ARC_STORAGE_URL": machines.url, "ARC_DATABASE_URL": machines.store_url}
    machine = subprocess.Popen(
        [sys.executable, "-c", TRAIN, made], env=environment(tmp_path / "one", **variables), cwd=tmp_path
    )
    storage = machines.runs_of("two").storage
    while b"fold-0/done.json" not in (storage.get(made, UNFINISHED) or b""):
        assert machine.poll() is None
        time.sleep(0.05)
    machine.kill()
    assert machine.wait() == -signal.SIGKILL
    assert machines.memory.experiment(made).outcome.status == "running", "nobody could tell"

    assert machines.train("two", made).status == "finished"
    assert [event["fold"] for event in machines.events if event.get("reused")] == [0]


@pytest.fixture
def own_s3(monkeypatch):
    """A server that a test may end, and the place it has for runs."""
    servers = [S3Server.start()]

    def use(server: S3Server) -> None:
        for name, value in server.variables.items():
            monkeypatch.setenv(name, value)

    class Place:
        url = servers[0].new_place()

        def end(self) -> None:
            servers[-1].stop()

        def begin_anew(self) -> None:
            servers.append(S3Server.start())
            use(servers[-1])

    use(servers[0])
    monkeypatch.setattr(storage_module, "PAUSES_S", (0.01, 0.01))
    yield Place()
    servers[-1].stop()


def test_a_result_does_not_count_while_only_one_machine_has_it(trained, tmp_path, own_s3):
    machines = Machines(tmp_path / "home", trained[0], own_s3.url)
    made = machines.approve()

    def end(event):
        if event["event"] == "finished":
            own_s3.end()

    with pytest.raises(StoreError, match=f"^{own_s3.url}: the shared storage can't be used; got Endpoint"):
        machines.train("one", made, on_event=end)
    outcome = machines.memory.experiment(made).outcome
    assert (outcome.status, machines.memory.result(made)) == ("stopped", None)
    assert own_s3.url in outcome.reason
    assert machines.memory.leases.live() == ()

    own_s3.begin_anew()  # it has lost all that it had
    assert machines.train("one", made).status == "finished"
    assert machines.epochs == [], "nothing was trained twice"
    files = machines.memory.result(made).files
    assert machines.runs_of("two").fetch(made, files) == {}
    machines.memory.close()


def test_nothing_is_trained_that_could_not_be_shared(trained, tmp_path, own_s3):
    machines = Machines(tmp_path / "home", trained[0], own_s3.url)
    made = machines.approve()
    own_s3.end()
    with pytest.raises(StoreError, match="the shared storage can't be used"):
        machines.train("one", made)
    assert machines.events == []
    assert machines.memory.experiment(made).outcome.status == "stopped"
    machines.memory.close()


def test_a_storage_that_is_away_for_a_while_ends_no_training(trained, tmp_path, caplog):
    shared, away = tmp_path / "shared", tmp_path / "away"
    shared.mkdir()
    machines = Machines(tmp_path / "home", trained[0], f"file://{shared}")

    def unmount(event):
        if event["event"] == "fold" and event["fold"] == 0:
            shared.rename(away)
        if event["event"] == "finished":
            while "on this machine only" not in caplog.text:
                time.sleep(0.01)
            away.rename(shared)

    assert machines.train("one", made := machines.approve(), on_event=unmount).status == "finished"
    assert machines.runs_of("two").fetch(made, machines.memory.result(made).files) == {}
    machines.memory.close()
