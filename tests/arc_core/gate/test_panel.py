"""The gate in session: which result is judged against what, and what a first result is called."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from arc_core.experiments.memory import Memory
from arc_core.experiments.result import CASES, Case, Verdict
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import experiment_id
from arc_core.gate.bootstrap import interval
from arc_core.gate.panel import judge_finished
from arc_core.gate.verdict import GateConfig
from arc_core.provenance.canonical import sha256_of_file
from tests.arc_core.gate.test_bootstrap import cohort
from tests.contracts.records import RESULT, STUDY, decision, proposal

CONFIG = GateConfig(resamples=500)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Memory]:
    """A store with two approved experiments: the configured baseline, then a change of the seed."""
    with closing(Memory(f"sqlite:///{tmp_path / 'arc.db'}")) as memory:
        memory.register_study(STUDY)
        cycle = memory.begin_cycle(STUDY.id)
        made = [proposal(0).model_copy(update={"changes": {}}), proposal(1)]
        memory.keep(cycle.id, made)
        memory.keep_decisions(cycle, [decision(p.id) for p in made], {p.id: p for p in made})
        yield memory


def finish(memory: Memory, runs: Path, seed: int, cases: list[Case]) -> None:
    """Leave what a training of the proposal would."""
    experiment = experiment_id(STUDY.id, proposal(seed).spec.id)
    path = runs / experiment / CASES
    path.parent.mkdir(parents=True)
    path.write_bytes(TypeAdapter(list[Case]).dump_json(cases))
    metrics = {"mean_dice": interval(cases, "mean_dice")}
    files = {CASES: sha256_of_file(path)}
    memory.keep_result(experiment, RESULT.model_copy(update={"metrics": metrics, "files": files}))


def judged(memory: Memory, runs: Path) -> tuple[Verdict, ...]:
    return judge_finished(memory, STUDY, Runs(runs), CONFIG)


def test_the_configured_baseline_is_called_so(memory: Memory, tmp_path: Path) -> None:
    finish(memory, tmp_path, 0, cohort())
    finish(memory, tmp_path, 1, cohort(shift=0.03))
    first, second = judged(memory, tmp_path)
    assert first.reason.startswith("The configured baseline")
    assert (second.outcome, second.champion_id) == ("promote", first.experiment_id)
    assert judged(memory, tmp_path) == ()


def test_another_first_result_is_not_called_the_configured_baseline(memory: Memory, tmp_path: Path) -> None:
    memory.keep_failure(experiment_id(STUDY.id, proposal(0).spec.id), "out of memory")
    finish(memory, tmp_path, 1, cohort())
    (only,) = judged(memory, tmp_path)
    assert only.outcome == "baseline"
    assert only.reason.startswith("The first result of this study")
