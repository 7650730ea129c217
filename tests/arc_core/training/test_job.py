"""An approved experiment, from its place in line to its outcome in the store."""

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from arc_core.errors import DatasetError, ExperimentFailed, StoreError
from arc_core.experiments.board import Proposal
from arc_core.experiments.holder import Holder
from arc_core.experiments.lease import Lease, Request
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.study import Study, experiment_id
from arc_core.gpu.inventory import Gpu, GpuProcess
from arc_core.settings import load_settings
from arc_core.training.child import Child, start_cold
from arc_core.training.evaluator import evaluate
from arc_core.training.job import run_experiment
from arc_core.training.launch import LaunchConfig
from tests.contracts.records import decision
from tests.processes import has_ended


class Line:
    """A store with one approved experiment, and the calls that train it."""

    def __init__(self, home: Path, plan) -> None:
        self.settings = load_settings(_env_file=None, home=home)
        self.memory = Memory(self.settings.store_url)
        self.events: list[dict] = []
        self.study = self.memory.register_study(
            Study(
                id=plan.study_id,
                task=plan.spec.task,
                metric="mean_dice",
                simulated=True,
                dataset_sha256=plan.dataset.sha256,
                dataset=plan.dataset.model_dump(mode="json"),
                split=plan.split.model_dump(mode="json"),
            )
        )
        self.cycle = self.memory.begin_cycle(self.study.id)
        self.plan = plan

    def proposal(self, **changes) -> Proposal:
        spec = self.plan.spec.changed({path.replace("__", "."): value for path, value in changes.items()})
        return Proposal(
            id=f"prop-{spec.id}",
            proposer="architect",
            category="explore",
            name="one",
            hypothesis="it learns",
            justification="it has",
            predicted=Estimate(value=0.5, low=0, high=1),
            parent_id=None,
            changes={},
            spec=spec,
        )

    def approve(self, **changes) -> str:
        proposal = self.proposal(**changes)
        self.memory.keep_decisions(self.cycle, [decision(proposal.id)], {proposal.id: proposal})
        return experiment_id(self.study.id, proposal.spec.id)

    def trained_before(self) -> str:
        """An experiment whose folds all lie in its run folder, without an outcome."""
        made = self.approve()
        shutil.copytree(self.plan.run_dir, self.settings.runs / made)
        return made

    def hold(self, made: str, holder: Holder | None = None) -> Lease:
        """Have another job train it."""
        request = Request(experiment_id=made, memory_mib=0)
        lease = self.memory.leases.ask(request, holder or Holder.this_process(), {})
        return self.memory.leases.take(lease, lambda held: (), {})

    def run(self, made: str, *, on_event=None, deadline=None, stop=None, start=start_cold):
        return run_experiment(
            self.memory,
            made,
            settings=self.settings,
            launch=LaunchConfig(),
            on_event=on_event or self.events.append,
            deadline=deadline,
            stop=stop,
            start=start,
        ).outcome


@pytest.fixture
def line(trained, tmp_path):
    line = Line(tmp_path / "home", trained[0])
    yield line
    line.memory.close()


def test_a_finished_training_is_measured_and_recorded(line):
    outcome = line.run(line.trained_before())
    assert outcome.status == "finished"
    assert outcome.result.metrics == evaluate(line.plan)[0].metrics
    assert [event["event"] for event in line.events] == ["started", "fold", "fold", "finished"]


def test_what_has_ended_is_not_run_again(line):
    made = line.trained_before()
    first = line.run(made)
    line.events.clear()
    assert line.run(made) == first
    assert line.events == []


def test_a_spec_over_a_limit_fails_with_its_reason(line):
    outcome = line.run(line.approve(optimiser__lr=0.5))
    assert outcome.status == "failed"
    assert "optimiser.lr" in outcome.reason
    assert outcome.result is None


def test_what_can_not_end_in_time_is_not_started(line):
    made = line.approve()
    outcome = line.run(made, deadline=time.time() + 0.1)
    assert outcome.status == "stopped"
    assert outcome.reason.startswith("not started: it needs about ")
    assert not (line.settings.runs / made).exists()


def test_a_full_gpu_is_waited_for_no_longer_than_there_is_time(line, monkeypatch):
    made = line.approve()
    full = Gpu(index=0, uuid="GPU-0", name="test", memory_total_mib=24_000, memory_used_mib=24_000)
    monkeypatch.setattr("arc_core.training.turn.read_inventory", lambda: (full,))
    outcome = line.run(made, deadline=time.time() - 1)
    assert outcome.status == "stopped"
    assert outcome.reason.startswith("not started: GPU 0 has 0.0 of 23.4 GiB free")
    assert line.memory.leases.live() == ()


def test_what_never_fits_is_refused_at_once(line, monkeypatch):
    small = Gpu(index=0, uuid="GPU-0", name="test", memory_total_mib=500, memory_used_mib=0)
    monkeypatch.setattr("arc_core.training.turn.read_inventory", lambda: (small,))
    outcome = line.run(line.approve())
    assert outcome.status == "stopped"
    assert "not started: experiment exp-" in outcome.reason
    assert "GiB, more than there is; got GPU 0 has 0.5 GiB" in outcome.reason
    assert line.memory.leases.of_study(line.study.id) == (), "it never stood in line"


def test_no_more_train_at_once_than_there_are_places(line):
    made = line.trained_before()
    taken = [line.hold(line.approve(seed=seed)) for seed in (1, 2, 3)]
    outcome = line.run(made, deadline=time.time() + 0.5)
    assert outcome.reason.startswith("not started: 3 of 3 places (ARC_MAX_CONCURRENT_JOBS) are taken")
    line.memory.leases.free(taken[0])
    assert line.run(made).status == "finished"


def test_a_stop_is_heard_in_line(line):
    made, stop = line.approve(), threading.Event()
    for seed in (1, 2, 3):
        line.hold(line.approve(seed=seed))
    waiting = threading.Thread(target=line.run, args=(made,), kwargs={"stop": stop})
    waiting.start()
    while len(line.memory.leases.live()) < 4:
        time.sleep(0.01)
    stop.set()
    waiting.join()
    assert line.memory.experiment(made).outcome.status == "stopped"
    assert len(line.memory.leases.live()) == 3


def test_a_job_that_lost_its_place_in_line_asks_again(line):
    made = line.trained_before()
    others = [line.hold(line.approve(seed=seed)) for seed in (1, 2, 3)]
    waiting = threading.Thread(target=line.run, args=(made,))
    waiting.start()
    while len(line.memory.leases.live()) < 4:
        time.sleep(0.01)
    (lost,) = (lease for lease in line.memory.leases.live() if lease.granted is None)
    for lease in (lost, *others):
        line.memory.leases.free(lease)
    waiting.join()
    assert line.memory.experiment(made).outcome.status == "finished"
    assert line.memory.leases.of_study(line.study.id)[-1].id > lost.id


def test_its_lease_is_given_back_when_it_ends(line):
    made = line.trained_before()
    line.run(made)
    (lease,) = line.memory.leases.of_study(line.study.id)
    assert (lease.request.experiment_id, lease.gpu_ids, lease.left_behind) == (made, (), "")
    assert lease.workers[0].pid == line.events[0]["pid"]
    assert lease.asked <= lease.granted <= lease.released


def test_a_lease_that_is_lost_ends_the_training_and_records_no_result(line):
    line.settings = line.settings.model_copy(update={"lease_s": 0.6})
    made = line.approve(epochs=100)

    def lose(event):
        line.events.append(event)
        if event["event"] == "started":
            line.memory.leases.free(line.memory.leases.live()[0])

    outcome = line.run(made, on_event=lose)
    assert (outcome.status, outcome.result) == ("stopped", None)
    assert outcome.reason == "lease 1 ran out, so it was stopped"
    assert has_ended(line.events[0]["pid"])


def test_a_result_that_comes_after_the_lease_was_lost_is_not_recorded(line):
    made = line.trained_before()

    def lose(event):
        if event["event"] == "finished":
            line.memory.leases.free(line.memory.leases.live()[0])
            line.hold(made)

    outcome = line.run(made, on_event=lose)
    assert (outcome.status, outcome.result) == ("running", None), "as the other left it"


def test_a_gpu_that_is_not_free_keeps_its_lease_and_says_why(line, monkeypatch):
    """A process of the training that the driver still sees, though the training has ended."""
    seen = []

    def inventory():
        processes = tuple(GpuProcess(pid=pid) for pid in seen)
        return (
            Gpu(
                index=0,
                uuid="GPU-0",
                name="test",
                memory_total_mib=24_000,
                memory_used_mib=0,
                processes=processes,
            ),
        )

    def train(plan, *, on_event, **limits):
        worker = subprocess.Popen([sys.executable, "-c", ""])
        on_event({"event": "started", "pids": [worker.pid]})
        worker.wait()
        seen.append(worker.pid)
        raise ExperimentFailed("killed by signal 9")

    monkeypatch.setattr("arc_core.training.turn.read_inventory", inventory)
    monkeypatch.setattr("arc_core.training.turn.FREE_WAIT_S", 0.5)
    monkeypatch.setattr("arc_core.training.job.run_worker", train)
    made = line.approve()
    assert line.run(made).reason == "killed by signal 9"
    (kept,) = line.memory.leases.live({0: seen})
    said = f"experiment {made} has ended and left pid {seen[0]} on GPU 0"
    assert kept.left_behind == f"lease 1 is kept: {said}"
    seen.clear()
    line.run(line.approve(seed=5))
    assert [lease.released is None for lease in line.memory.leases.of_study(line.study.id)] == [False, True]


def test_an_interruption_is_recorded_and_ends_the_worker(line):
    made = line.trained_before()
    pids = []

    def interrupt(event):
        pids.append(event["pid"])
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        line.run(made, on_event=interrupt)
    outcome = line.memory.experiment(made).outcome
    assert (outcome.status, outcome.reason) == ("stopped", "interrupted by KeyboardInterrupt: ")
    assert has_ended(pids[0])
    assert line.run(made).status == "finished"


def killer(times: int):
    """Kills the worker at its first word, so often; and how often it was started."""
    started = []

    def kill(event: dict) -> None:
        if event["event"] == "started":
            started.append(event["pid"])
            if len(started) <= times:
                psutil.Process(event["pid"]).kill()

    return kill, started


def test_a_training_whose_worker_is_killed_goes_on(line):
    kill, started = killer(times=2)
    outcome = line.run(line.approve(), on_event=kill)
    assert (outcome.status, outcome.reason) == ("finished", "")
    assert len(started) == 3


def test_one_that_is_killed_each_time_fails_with_its_reason(line):
    kill, started = killer(times=99)
    outcome = line.run(line.approve(), on_event=kill)
    assert outcome.status == "failed"
    assert outcome.reason.startswith(
        "the worker was killed by signal 9 (often: the machine ran out of memory)"
    )
    assert len(started) == 3


def test_the_experiment_of_a_dead_process_is_taken_over(line):
    made = line.trained_before()
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    holder = Holder.this_process().model_copy(update={"pid": dead.pid})
    line.hold(made, holder)
    assert line.run(made).status == "finished"


def test_the_experiment_of_a_living_process_is_waited_for(line):
    made = line.trained_before()
    result = evaluate(line.plan)[0]
    lease = line.hold(made)
    found = []
    waiting = threading.Thread(target=lambda: found.append(line.run(made)))
    waiting.start()
    line.memory.keep_result(made, result, lease.id)
    waiting.join()
    assert found[0].status == "finished"
    assert line.memory.result(made) == result
    assert line.events == []


def small_disk(arguments, environment, stdout, stderr) -> Child:
    """No file of the worker may grow over 40 KiB: less than a checkpoint has."""
    return start_cold(
        ["bash", "-c", 'ulimit -f 40; exec "$@"', "bash", *arguments], environment, stdout, stderr
    )


def test_a_full_disk_is_no_failure_of_the_experiment(line):
    made = line.approve()
    with pytest.raises(StoreError, match=rf"{made}/fold-0/.*File too large.*Make room on its disk"):
        line.run(made, start=small_disk)
    assert line.memory.experiment(made).outcome.status == "stopped"
    assert line.memory.leases.live() == ()
    assert line.run(made).status == "finished"


def test_images_that_are_away_for_a_while_are_no_failure_of_the_experiment(line):
    made, images = line.approve(epochs=4), Path(line.study.dataset["root"]) / "images"
    images.rename(images.with_name("away"))
    try:
        with pytest.raises(DatasetError, match=r"images/.*cannot be opened"):
            line.run(made)
        assert line.memory.experiment(made).outcome.status == "stopped"
    finally:
        images.with_name("away").rename(images)
    assert line.run(made).status == "finished"


def test_a_run_folder_that_can_not_be_made_is_no_failure_of_the_experiment(line):
    made = line.approve()
    line.settings.runs.write_text("a file in its place")
    with pytest.raises(StoreError, match=rf"{line.settings.runs}.*move it away"):
        line.run(made)
    assert line.memory.experiment(made).outcome.status == "stopped"
    line.settings.runs.unlink()
    assert line.run(made).status == "finished"
