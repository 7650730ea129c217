"""An experiment trained again with other seeds: seen by who trains it, and by nobody who reads ideas."""

from collections.abc import Iterator
from contextlib import closing

import pytest

from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.repeats import reseeded
from arc_core.experiments.study import Cycle
from tests.contracts.records import RESULT, STUDY, approve, holding


@pytest.fixture
def memory(store_url: str) -> Iterator[Memory]:
    with closing(Memory(store_url)) as memory:
        memory.register_study(STUDY)
        yield memory


def opened(memory: Memory, made: str, repeats: int = 2) -> tuple[str, ...]:
    memory.repeats.open(memory.experiment(made), cycle_of(memory), repeats)
    return tuple(each.id for each in memory.repeats.of([made])[made])


def cycle_of(memory: Memory) -> Cycle:
    return memory.begin_cycle(STUDY.id)


def test_repeats_differ_in_their_seed_alone_and_are_opened_once(memory: Memory) -> None:
    first, second = approve(memory, 1, 2)
    repeats = opened(memory, first)
    assert opened(memory, first) == repeats
    assert opened(memory, first, repeats=3)[:2] == repeats
    specs = [memory.experiment(each).outcome.spec for each in (first, *repeats)]
    assert len({spec.seed for spec in specs}) == 3
    assert len({spec.changed({"seed": 0}).id for spec in specs}) == 1
    assert memory.repeats.of([second]) == {second: ()}


def test_a_seed_that_is_an_idea_already_is_passed_over(memory: Memory) -> None:
    (made,) = approve(memory, 1)
    spec = memory.experiment(made).outcome.spec
    taken = reseeded(spec, 1).seed
    (idea,) = approve(memory, taken)
    assert memory.experiment(idea).outcome.spec_id == reseeded(spec, 1).id
    repeats = opened(memory, made)
    assert len(repeats) == 2
    assert idea not in repeats


def test_who_reads_ideas_sees_no_repeats(memory: Memory) -> None:
    (made,) = approve(memory, 1)
    seen = {
        "outcomes": lambda: [each.experiment_id for each in memory.outcomes(STUDY.id)],
        "experiments": lambda: [each.id for each in memory.experiments(STUDY.id)],
        "pending": lambda: [each.id for each in memory.pending(STUDY.id)],
        "agenda": lambda: [each.id for each in memory.agenda(cycle_of(memory))],
        "unbegun": lambda: [each.id for each in memory.ahead.unbegun(cycle_of(memory))],
        "unjudged": lambda: [each.id for each in memory.unjudged(STUDY.id)],
        "scores": lambda: [score.number for score in memory.scores(STUDY.id, "mean_dice")],
        "captions": lambda: list(memory.overview.captions(STUDY.id)),
        "tracks": lambda: [track.proposer for track in memory.tracks(STUDY.id)],
    }
    before = {name: read() for name, read in seen.items()}
    for repeat in opened(memory, made):
        memory.keep_result(repeat, RESULT)
    assert {name: read() for name, read in seen.items()} == before
    (later,) = approve(memory, 2)
    assert memory.experiment(later).number == 2, "the numbers of ideas have no gap"


def test_a_repeat_is_trained_and_recorded_like_any_experiment(memory: Memory) -> None:
    (made,) = approve(memory, 1)
    one, two = opened(memory, made)
    assert memory.repeats.pending(STUDY.id) == (one, two)
    lease = holding(memory, one)
    (started,) = memory.ledger.entries(kind="run.started", subject=one)
    assert started.event.facts["repeat_of"] == made
    assert started.event.facts["seed"] == memory.experiment(one).outcome.spec.seed
    memory.keep_result(one, RESULT, lease.id)
    memory.keep_failure(two, "loss is NaN")
    assert memory.repeats.pending(STUDY.id) == ()
    assert [each.id for each in memory.experiments(STUDY.id, [one])] == [one], "where it is asked for"


def test_values_are_those_of_all_trainings_of_what_was_repeated(memory: Memory) -> None:
    made, other = approve(memory, 1, 2)
    one, two = opened(memory, made)
    for each, value in ((made, 0.8), (other, 0.7), (two, 0.82)):
        estimate = Estimate(value=value, low=0, high=1)
        memory.keep_result(each, RESULT.model_copy(update={"metrics": {"mean_dice": estimate}}))
    memory.keep_failure(one, "loss is NaN")
    assert memory.repeats.values(STUDY.id, "mean_dice") == {made: (0.8, 0.82)}
    assert memory.repeats.values(STUDY.id, "auc") == {}
