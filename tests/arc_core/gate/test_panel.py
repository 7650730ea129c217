"""The gate in session: which result is judged against what, and what a first result is called."""

from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import CASES, Case, NoiseFloor, Race
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Cycle, Experiment, experiment_id
from arc_core.gate.bootstrap import interval
from arc_core.gate.panel import Sitting, Tell, judge_finished
from arc_core.gate.spending import share
from arc_core.gate.verdict import GateConfig
from arc_core.provenance.canonical import sha256_of_file
from tests.arc_core.gate.test_bootstrap import cohort
from tests.contracts.records import RESULT, STUDY, decision, proposal

CONFIG = GateConfig(resamples=500)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """A store with three approved experiments: the configured baseline, then two changes of the seed."""
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:
        memory.register_study(STUDY)
        cycle = memory.begin_cycle(STUDY.id)
        made = [proposal(0).model_copy(update={"changes": {}}), proposal(1), proposal(2)]
        memory.keep(cycle.id, made)
        memory.keep_decisions(cycle, [decision(p.id) for p in made], {p.id: p for p in made})
        yield memory


def name(seed: int) -> str:
    return experiment_id(STUDY.id, proposal(seed).spec.id)


def finish(memory: Memory, runs: Path, experiment: str, cases: list[Case]) -> None:
    """Leave what a training of the experiment would."""
    path = runs / experiment / CASES
    path.parent.mkdir(parents=True)
    path.write_bytes(TypeAdapter(list[Case]).dump_json(cases))
    metrics = {"mean_dice": interval(cases, "mean_dice")}
    files = {CASES: sha256_of_file(path)}
    memory.keep_result(experiment, RESULT.model_copy(update={"metrics": metrics, "files": files}))


def sit(memory: Memory, runs: Path, tell: Tell = pytest.fail, going: Collection[Experiment] = ()) -> Sitting:
    return judge_finished(memory, STUDY, cycle_of(memory), Runs(runs), CONFIG, tell=tell, going=going)


def cycle_of(memory: Memory) -> Cycle:
    return memory.begin_cycle(STUDY.id)


def finish_repeats(memory: Memory, runs: Path, wanted: tuple[str, ...], cases: list[Case]) -> None:
    """Each a little apart: that is the noise floor."""
    for index, each in enumerate(wanted):
        finish(memory, runs, each, moved(cases, 0.001 * (index + 1)))


def moved(cases: list[Case], by: float) -> list[Case]:
    return [
        case.model_copy(update={"disc_dice": case.disc_dice + by, "cup_dice": case.cup_dice + by})
        for case in cases
    ]


def test_the_noise_floor_is_measured_before_anything_is_compared(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, name(0), cohort())
    finish(memory, tmp_path, name(1), moved(cohort(), -0.2))
    (first,), wanted = sit(memory, tmp_path)
    assert first.reason.startswith("The configured baseline")
    repeats = memory.repeats.of([name(0)])[name(0)]
    assert wanted == tuple(each.id for each in repeats)
    assert len(wanted) == CONFIG.seeds - 1
    assert {each.outcome.spec.changed({"seed": 0}).id for each in repeats} == {proposal(0).spec.id}
    assert len({each.outcome.spec.seed for each in repeats}) == 2
    assert sit(memory, tmp_path) == ((), wanted), "it waits, and opens nothing twice"
    finish_repeats(memory, tmp_path, wanted, cohort())
    (second,), wanted = sit(memory, tmp_path)
    assert (second.outcome, second.champion_id, second.comparisons) == ("reject", name(0), 1)
    assert (second.noise_floor.degrees, second.noise_floor.specs) == (2, 1)
    assert second.noise_floor.sd == pytest.approx(0.001)
    assert second.champion_trainings == (name(0), *(each.id for each in repeats))
    assert wanted == ()
    assert sit(memory, tmp_path) == ((), ())


def test_a_lead_is_confirmed_on_further_seeds_before_it_counts(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, name(0), cohort())
    finish(memory, tmp_path, name(1), moved(cohort(), 0.05))
    finish_repeats(memory, tmp_path, sit(memory, tmp_path).wanted, cohort())
    verdicts, wanted = sit(memory, tmp_path)
    assert verdicts == ()
    assert wanted == tuple(each.id for each in memory.repeats.of([name(1)])[name(1)])
    finish_repeats(memory, tmp_path, wanted, moved(cohort(), 0.05))
    (verdict,), _ = sit(memory, tmp_path)
    assert (verdict.outcome, verdict.experiment_id) == ("promote", name(1))
    assert verdict.trainings == (name(1), *wanted)
    assert memory.champion(STUDY.id).id == name(1)
    assert memory.comparisons(STUDY.id) == (True,)


def test_who_waits_holds_up_those_behind(memory: Memory, tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        finish(memory, tmp_path, name(seed), moved(cohort(), 0.05 * seed))
    finish_repeats(memory, tmp_path, sit(memory, tmp_path).wanted, cohort())
    for seed in (1, 2):
        verdicts, wanted = sit(memory, tmp_path)
        assert len(verdicts) == seed - 1
        assert wanted == tuple(each.id for each in memory.repeats.of([name(seed)])[name(seed)])
        finish_repeats(memory, tmp_path, wanted, moved(cohort(), 0.05 * seed))
    sit(memory, tmp_path)
    _, first, second = memory.verdicts(STUDY.id)
    assert (first.outcome, first.comparisons, second.comparisons) == ("promote", 1, 2)
    assert second.champion_id == name(1), "compared with the champion of that moment"
    assert second.allowance > first.allowance, "a promotion hands its allowance on"


def test_those_approved_after_one_that_still_trains_wait_for_it(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, name(0), cohort())
    finish(memory, tmp_path, name(2), moved(cohort(), -0.2))
    trains = memory.experiment(name(1))
    verdicts, wanted = sit(memory, tmp_path, going=[trains])
    assert [each.experiment_id for each in verdicts] == [name(0)]
    assert wanted == tuple(each.id for each in memory.repeats.of([name(0)])[name(0)]), "which it will need"
    finish_repeats(memory, tmp_path, wanted, cohort())
    assert sit(memory, tmp_path, going=[trains]) == ((), ())
    memory.keep_failure(name(1), "loss is NaN in fold 1")
    (verdict,), _ = sit(memory, tmp_path)
    assert (verdict.experiment_id, verdict.comparisons) == (name(2), 1)


def test_a_champion_that_nobody_challenges_needs_no_repeats(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, name(0), cohort())
    assert memory.ahead.withdraw({name(1): "tried", name(2): "tried"})
    assert sit(memory, tmp_path).wanted == ()


def test_repeats_that_still_train_keep_nobody_waiting(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, name(0), cohort())
    finish(memory, tmp_path, name(1), moved(cohort(), -0.2))
    wanted = sit(memory, tmp_path).wanted
    finish_repeats(memory, tmp_path, wanted, cohort())
    memory.repeats.open(memory.experiment(name(0)), cycle_of(memory), len(wanted) + 1)
    (another,) = memory.repeats.pending(STUDY.id)
    verdicts, _ = sit(memory, tmp_path, going=[memory.experiment(another)])
    assert verdicts == ()


def test_a_challenger_that_fails_with_another_seed_is_rejected(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, name(0), cohort())
    finish(memory, tmp_path, name(1), moved(cohort(), 0.05))
    finish_repeats(memory, tmp_path, sit(memory, tmp_path).wanted, cohort())
    wanted = sit(memory, tmp_path).wanted
    memory.keep_failure(wanted[0], "loss is NaN in fold 1")
    finish(memory, tmp_path, wanted[1], moved(cohort(), 0.05))
    (verdict,), _ = sit(memory, tmp_path)
    assert (verdict.outcome, verdict.comparisons) == ("reject", 1)
    assert "loss is NaN in fold 1" in verdict.reason


def test_repeats_of_the_champion_that_fail_are_replaced_by_as_many(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, name(0), cohort())
    finish(memory, tmp_path, name(1), moved(cohort(), 0.05))
    one, two = sit(memory, tmp_path).wanted
    memory.keep_failure(one, "out of memory")
    finish(memory, tmp_path, two, moved(cohort(), 0.001))
    verdicts, wanted = sit(memory, tmp_path)
    assert verdicts == ()
    assert len(wanted) == 1
    finish(memory, tmp_path, *wanted, moved(cohort(), 0.002))
    sit(memory, tmp_path)
    hopeful = tuple(each.id for each in memory.repeats.of([name(1)])[name(1)])
    finish_repeats(memory, tmp_path, hopeful, moved(cohort(), 0.05))
    (verdict,) = sit(memory, tmp_path).verdicts
    assert verdict.champion_trainings == (name(0), two, *wanted)


def test_without_a_noise_floor_nothing_is_compared_nor_counted(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, name(0), cohort())
    finish(memory, tmp_path, name(1), moved(cohort(), 0.05))
    told: list[str] = []
    for _ in range(2):
        for each in sit(memory, tmp_path).wanted:
            memory.keep_failure(each, "out of memory")
    assert sit(memory, tmp_path, told.append) == ((), ())
    assert memory.comparisons(STUDY.id) == ()
    assert f"{name(1)} is not judged: the noise floor is not known" in told[0]
    assert "out of memory" in told[0]


def test_who_can_not_be_judged_keeps_its_turn(memory: Memory, tmp_path: Path) -> None:
    for seed in (0, 1, 2):
        finish(memory, tmp_path, name(seed), moved(cohort(), -0.2 * seed))
    finish_repeats(memory, tmp_path, sit(memory, tmp_path).wanted, cohort())
    kept = (tmp_path / name(1) / CASES).rename(tmp_path / "aside")
    (verdict,), _ = sit(memory, tmp_path, tell=list[str]().append)
    assert (verdict.experiment_id, verdict.comparisons) == (name(2), 2)
    assert verdict.allowance == pytest.approx(CONFIG.alpha * share(2))
    kept.rename(tmp_path / name(1) / CASES)
    (late,), _ = sit(memory, tmp_path)
    assert late.experiment_id == name(1)
    assert late.allowance <= CONFIG.alpha * share(2)


def test_one_that_was_stopped_early_counts_as_a_comparison(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, name(0), cohort())
    effect = Estimate(value=-0.1, low=-0.15, high=-0.05, patients=10)
    race = Race(
        champion_id=name(0),
        champion_trainings=(name(0),),
        metric="mean_dice",
        folds=1,
        of_folds=3,
        effect=effect,
        level=0.98,
        p_loss=0.001,
        noise_floor=NoiseFloor(sd=0.01, degrees=2, specs=1),
        reason="Stopped after fold 1 of 3: worse.",
    )
    memory.races.keep(name(1), race)
    finish(memory, tmp_path, name(2), moved(cohort(), -0.2))
    finish_repeats(memory, tmp_path, sit(memory, tmp_path).wanted, cohort())
    (after,) = (each for each in sit(memory, tmp_path).verdicts if each.experiment_id == name(2))
    stopped = memory.verdicts(STUDY.id, [name(1)])[0]
    assert (stopped.outcome, stopped.effect, stopped.comparisons) == ("reject", effect, 1)
    assert stopped.reason == race.reason
    assert after.comparisons == 2


def test_another_first_result_is_not_called_the_configured_baseline(memory: Memory, tmp_path: Path) -> None:
    memory.keep_failure(name(0), "out of memory")
    finish(memory, tmp_path, name(1), cohort())
    (only,) = sit(memory, tmp_path).verdicts
    assert only.outcome == "baseline"
    assert only.reason.startswith("The first result of this study")
