"""A training that is clearly worse than the champion is stopped early, and only such a one."""

import threading
from collections.abc import Iterable
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from arc_core.experiments.result import CASES, Case, Verdict
from arc_core.experiments.study import Experiment
from arc_core.gate.verdict import GateConfig
from arc_core.provenance.canonical import sha256_of_file
from arc_core.training.evaluator import evaluate
from arc_core.training.job import run_experiment
from arc_core.training.launch import LaunchConfig
from tests.arc_core.training.test_job import Line
from tests.contracts.records import RESULT

GATE = GateConfig(resamples=500)


class Track(Line):
    """A line whose study has a champion."""

    def run(self, made: str, gate: GateConfig | None = GATE, *, stop_at: tuple[int, int] | None = None):
        stop = threading.Event()

        def heard(event):
            self.events.append(event)
            if stop_at is not None and (event.get("fold"), event.get("epoch")) == stop_at:
                stop.set()

        return run_experiment(
            self.memory,
            made,
            settings=self.settings,
            launch=LaunchConfig(),
            on_event=heard,
            stop=stop,
            gate=gate,
        ).outcome

    def repeat(self, made: str, cases: list[Case], *, seeds: int) -> None:
        """Its repeats, each a hair's breadth apart."""
        self.memory.repeats.open(self.memory.experiment(made), self.cycle, seeds - 1)
        self.train(self.memory.repeats.of([made])[made], cases)

    def train(self, experiments: Iterable[Experiment], cases: list[Case]) -> None:
        for index, each in enumerate(experiments, start=1):
            apart = [case.model_copy(update={"cup_dice": case.cup_dice + 0.001 * index}) for case in cases]
            path = self.settings.runs / each.id / CASES
            path.parent.mkdir(parents=True)
            path.write_bytes(TypeAdapter(list[Case]).dump_json(apart))
            files = {CASES: sha256_of_file(path)}
            self.memory.keep_result(each.id, RESULT.model_copy(update={"files": files}))

    def crown(self, cases: list[Case], *, seeds: int = 3) -> str:
        """A champion of a cycle before with these cases, each of its repeats a hair's breadth apart."""
        made = self.approve(seed=99)
        self.train([self.memory.experiment(made)], cases)
        self.repeat(made, cases, seeds=seeds)
        crowned = Verdict(
            experiment_id=made,
            outcome="baseline",
            metric="mean_dice",
            champion_id=None,
            comparisons=0,
            reason="",
        )
        self.memory.keep_verdict(self.study.id, crowned)
        self.memory.end_cycle(self.cycle.id)
        self.cycle = self.memory.begin_cycle(self.study.id)
        return made


@pytest.fixture
def track(tmp_path: Path, trained):
    track = Track(tmp_path / "home", trained[0])
    yield track
    track.memory.close()


@pytest.fixture(scope="session")
def measured(trained) -> list[Case]:
    return list(evaluate(trained[0])[1])


def flawless(cases: list[Case]) -> list[Case]:
    return [case.model_copy(update={"disc_dice": 0.99, "cup_dice": 0.95}) for case in cases]


def test_a_clear_loser_ends_after_its_first_fold_and_frees_its_place(track: Track, measured):
    champion, made = track.crown(flawless(measured)), track.trained_before()
    outcome = track.run(made)
    assert outcome.status == "pruned"
    assert outcome.has_ended
    assert outcome.reason.startswith("Stopped after fold 1 of 2: mean Dice")
    race = track.memory.races.of(made)
    assert (race.champion_id, race.folds, race.of_folds) == (champion, 1, 2)
    assert race.effect.high < 0
    assert race.p_loss <= GATE.race
    assert race.noise_floor.degrees == 2
    assert track.memory.leases.live() == ()
    assert track.memory.result(made) is None
    assert [each.id for each in track.memory.unjudged(track.study.id)] == [made], "it still counts"
    assert track.run(made) == outcome, "over for good"


def test_whoever_is_not_clearly_worse_goes_on(track: Track, measured):
    track.crown(measured)
    assert track.run(track.trained_before()).status == "finished"


@pytest.mark.parametrize(
    ("seeds", "gate"), [(1, GATE), (3, GATE.model_copy(update={"race": None})), (3, None)]
)
def test_without_a_noise_floor_or_a_race_nobody_is_stopped(track: Track, measured, seeds, gate):
    track.crown(flawless(measured), seeds=seeds)
    assert track.run(track.trained_before(), gate).status == "finished"


def test_before_there_is_a_champion_there_is_no_race(track: Track):
    assert track.run(track.trained_before()).status == "finished"


def test_repeats_that_ended_after_its_approval_stop_nobody(track: Track, measured):
    champion = track.crown(flawless(measured), seeds=1)
    made = track.trained_before()  # whether they are faster would decide
    track.repeat(champion, flawless(measured), seeds=3)
    assert track.run(made).status == "finished"


def test_a_champion_of_the_same_cycle_stops_nobody(track: Track, measured):
    made = track.trained_before()  # whether it had begun by then would decide
    track.crown(flawless(measured))
    assert track.run(made).status == "finished"


def test_what_a_crash_left_open_is_decided_again_alike(track: Track, measured, tmp_path: Path):
    """Stopped in its second fold, as by a crash before the first look was recorded."""
    track.crown(flawless(measured))
    made = track.approve(epochs=2)
    assert track.run(made, None, stop_at=(1, 1)).status == "stopped"
    trained = len([event for event in track.events if event["event"] == "epoch"])
    assert track.run(made).status == "pruned"
    assert len([event for event in track.events if event["event"] == "epoch"]) == trained, "no step more"

    other = Track(tmp_path / "other", track.plan)
    other.crown(flawless(measured))
    assert other.approve(epochs=2) == made
    assert other.run(made).status == "pruned", "trained without a break"
    assert other.memory.races.of(made) == track.memory.races.of(made)
    other.memory.close()


def test_a_repeat_is_not_raced(track: Track, measured):
    champion = track.crown(flawless(measured))
    made = track.approve(epochs=2)
    track.memory.repeats.open(track.memory.experiment(made), track.cycle, 1)
    (repeat,) = track.memory.repeats.of([made])[made]
    assert repeat.repeat_of == made != champion
    assert track.run(repeat.id).status == "finished"
