"""Research cycles as a user runs them: real processes, real training, a real store."""

import json
import re
from pathlib import Path

import pytest

from arc_core.experiments.board import Decision, Directive, Proposal, Review, Vote
from arc_core.training.evaluator import evaluate
from arc_core.training.plan import TrainingPlan
from tests.command import TINY, Finished, copied, run_cycle

COLUMNS = ("#", "experiment", "hypothesis", "what changed", "mean Dice [95 %]", "verdict", "seconds")


@pytest.fixture(scope="module")
def dry_run(one_cycle, prefect_server, tmp_path_factory) -> Finished:
    """A dry run on a copy of the first cycle's home; what it imports is on stderr."""
    home = tmp_path_factory.mktemp("dry") / "home"
    copied(one_cycle.home, home)
    return run_cycle(home, *TINY, "--dry-run", PREFECT_API_URL=prefect_server, PYTHONPROFILEIMPORTTIME="1")


def test_the_first_cycle_trains_and_says_what_came_of_it(one_cycle):
    assert one_cycle.code == 0, one_cycle.err
    header = next(line for line in one_cycle.out.splitlines() if "hypothesis" in line)
    assert all(column in header for column in COLUMNS)
    experiments = one_cycle.memory.experiments(one_cycle.study)
    assert len(experiments) >= 3
    for experiment in experiments:
        assert experiment.outcome.status == "finished"
        row = next(line for line in one_cycle.out.splitlines() if experiment.id in line)
        assert str(experiment.outcome.result.metrics["mean_dice"]) in row


def test_the_champion_and_the_report_are_named(one_cycle):
    champion = one_cycle.memory.champion(one_cycle.study)
    (line,) = [line for line in one_cycle.out.splitlines() if line.startswith("champion:")]
    assert champion.id in line
    (line,) = [line for line in one_cycle.out.splitlines() if line.startswith("report:")]
    assert "<html" in Path(line.removeprefix("report: ")).read_text()


def test_the_noise_floor_and_the_reason_of_each_verdict_are_told(one_cycle):
    memory, study = one_cycle.memory, one_cycle.study
    champion = memory.verdicts(study)[0].experiment_id
    repeats = memory.repeats.of([champion])[champion]
    assert [each.outcome.status for each in repeats] == ["finished", "finished"]
    assert one_cycle.out.count("noise floor of mean Dice: 0.") == 1
    for verdict in memory.verdicts(study)[1:]:
        assert verdict.noise_floor.degrees >= 2
        assert f"{verdict.outcome}: " in one_cycle.out
        assert f"in comparison {verdict.comparisons}" in one_cycle.out


def test_simulated_data_are_marked(one_cycle):
    assert "SIMULATED" in one_cycle.out


def test_a_pipe_gets_no_progress_and_no_colours(one_cycle):
    assert one_cycle.err == ""
    assert not {"\r", "\x1b"} & set(one_cycle.out)
    assert "fold 1/2" not in one_cycle.out


def test_the_log_tells_of_the_cycle_and_of_each_experiment(one_cycle):
    lines = [json.loads(line) for line in (one_cycle.home / "logs" / "arc.jsonl").read_text().splitlines()]
    assert [line["message"] for line in lines if "cycle" in line] == ["cycle 1 is open", "cycle 1 is closed"]
    told = {line["experiment_id"] for line in lines if "experiment_id" in line}
    ideas = [experiment.id for experiment in one_cycle.memory.experiments(one_cycle.study)]
    repeats = [each.id for row in one_cycle.memory.repeats.of(ideas).values() for each in row]
    assert told == {*ideas, *repeats}
    assert any(line["logger"] == "prefect.flow_runs" for line in lines)


def test_the_store_has_every_step(one_cycle):
    memory, study = one_cycle.memory, one_cycle.study
    (cycle,) = memory.cycles(study)
    assert (cycle.number, cycle.status) == (1, "finished")
    (directive,) = memory.kept(cycle.id, Directive)
    proposals, decisions = memory.kept(cycle.id, Proposal), memory.kept(cycle.id, Decision)
    assert len(proposals) == len(decisions) >= sum(directive.budget.model_dump().values())
    by = {(review.proposal_id, review.reviewer) for review in memory.kept(cycle.id, Review)}
    assert by == {(p.id, critic) for p in proposals for critic in ("critic", "critic_secondary")}
    assert len(memory.kept(cycle.id, Vote)) == sum(len(decision.votes) for decision in decisions) > 0
    selected = {decision.proposal_id for decision in decisions if decision.selected}
    experiments = memory.experiments(study)
    assert selected == {experiment.proposal_id for experiment in experiments}
    assert {v.experiment_id for v in memory.verdicts(study)} == {experiment.id for experiment in experiments}


def test_one_place_is_the_controls_and_reviewed_like_any(one_cycle):
    memory = one_cycle.memory
    (cycle,) = memory.cycles(one_cycle.study)
    directive, proposals = memory.kept(cycle.id, Directive)[0], memory.kept(cycle.id, Proposal)
    assert (directive.control, sum(directive.budget.model_dump().values())) == (True, 2)
    (control,) = [p for p in proposals if p.proposer == "control"]
    arms = {d.proposal_id: d.arm for d in memory.kept(cycle.id, Decision) if d.selected}
    assert sorted(arms.values()) == ["board", "board", "control"]
    assert arms[control.id] == "control"
    (made,) = [e.id for e in memory.experiments(one_cycle.study) if e.proposal_id == control.id]
    lines = one_cycle.out.splitlines()
    (at,) = [n for n, line in enumerate(lines) if made in line and "│" in line]
    assert "control" in lines[at + 1]
    assert one_cycle.out.count("control") == 1


def test_metrics_are_what_the_evaluator_says_of_the_files(one_cycle):
    for experiment in one_cycle.memory.experiments(one_cycle.study):
        path = one_cycle.home / "runs" / experiment.id / "plan.json"
        result, cases = evaluate(TrainingPlan.model_validate_json(path.read_bytes()))
        assert result == one_cycle.memory.result(experiment.id)
        assert len(cases) == 12


def test_without_time_nothing_is_approved_and_the_reason_is_said(one_cycle, second_cycle):
    assert second_cycle.code == 0, second_cycle.err
    assert "cycle 2" in second_cycle.out
    assert "the last one could train nothing" in second_cycle.out
    memory, study = second_cycle.memory, second_cycle.study
    assert memory.experiments(study) == one_cycle.memory.experiments(study)
    decisions = memory.kept(memory.cycles(study)[-1].id, Decision)
    assert decisions
    for decision in decisions:
        assert decision.outcome == "reject"
        assert re.search(r"needs \d+ s, 0 s are left", decision.reason)
    assert [c.status for c in second_cycle.memory.cycles(second_cycle.study)] == ["finished"] * 2


def test_the_second_cycle_uses_what_the_first_learned(second_cycle):
    memory, study = second_cycle.memory, second_cycle.study
    first, second = (memory.kept(cycle.id, Proposal) for cycle in memory.cycles(study))
    learned_from = {e.id for e in memory.experiments(study) if e.outcome.cycle == 1}
    champion = memory.champion(study)
    assert any(learned_from & set(proposal.rests_on) for proposal in second)
    assert all(proposal.parent_id == champion.id for proposal in second)
    specs = [proposal.spec.id for proposal in (*first, *second)]
    assert len(set(specs)) == len(specs)


def test_a_dry_run_says_what_it_would_train(dry_run):
    assert dry_run.code == 0, dry_run.err
    header = next(line for line in dry_run.out.splitlines() if "hypothesis" in line)
    assert all(column in header for column in ("what would change", "device", "minutes", "memory MiB"))
    assert "dry run of cycle 2" in dry_run.out
    assert "final training configuration: " in dry_run.out
    assert "{" not in dry_run.out
    lines = [json.loads(line) for line in (dry_run.home / "logs" / "arc.jsonl").read_text().splitlines()]
    planned = [line for line in lines if line["message"].startswith("final training configuration: {")]
    assert {line["experiment_id"] for line in planned} == set(
        re.findall(r"^(exp-\w+) final", dry_run.out, re.M)
    )
    assert planned
    assert all('"micro_batch":' in line["message"] for line in planned)
    assert "time: start and imports" in dry_run.out


def test_a_dry_run_leaves_the_store_as_it_was(one_cycle, dry_run):
    assert (dry_run.home / "arc.db").read_bytes() == (one_cycle.home / "arc.db").read_bytes()
    ran = {path.name for path in (one_cycle.home / "runs").iterdir()}
    assert {path.name for path in (dry_run.home / "runs").iterdir()} == ran


def test_another_gate_than_the_declared_one_is_refused(one_cycle, prefect_server, tmp_path):
    """Before anything is begun, or an error could be chosen that lets a known result through."""
    (declared,) = one_cycle.memory.ledger.entries(kind="gate.declared")
    assert declared.event.facts["alpha"] == 0.05
    copied(one_cycle.home, tmp_path / "home")
    for dry in ((), ("--dry-run",)):
        options = (*TINY, "gate.alpha=0.2", *dry)
        refused = run_cycle(tmp_path / "home", *options, PREFECT_API_URL=prefect_server)
        assert refused.code == 2
        assert "has declared alpha=0.05, got alpha=0.2" in refused.err
    assert len(refused.memory.cycles(one_cycle.study)) == len(one_cycle.memory.cycles(one_cycle.study))


def test_a_dry_run_loads_neither_torch_nor_an_llm(dry_run):
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in dry_run.err.splitlines()}
    assert "prefect" in loaded
    assert not loaded & {"torch", "lightning", "monai", "litellm", "deepspeed"}


def test_a_dry_run_in_an_empty_home_makes_no_store(arc_home, prefect_server):
    from flows.cycle import arc

    assert len(arc(overrides=list(TINY), dry_run=True).planned) >= 3
    assert not (arc_home / "arc.db").exists()
    assert not (arc_home / "runs").exists()
