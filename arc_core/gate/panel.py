"""The gate in session: every finished experiment without a verdict gets one, in order of approval."""

from pathlib import Path

from pydantic import TypeAdapter

from arc_core.errors import ArcError
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import CASES, Case, Verdict
from arc_core.experiments.study import Experiment, Study
from arc_core.gate.verdict import GateConfig, judge
from arc_core.provenance.canonical import sha256_of_file


def judge_finished(memory: Memory, study: Study, runs: Path, config: GateConfig) -> tuple[Verdict, ...]:
    """Compare each new result with the champion of that moment; the verdicts given now."""
    given = memory.verdicts(study.id)
    judged = {verdict.experiment_id for verdict in given}
    comparisons = sum(verdict.champion_id is not None for verdict in given)
    champion, proposals = memory.champion(study.id), memory.proposals(study.id)
    verdicts: list[Verdict] = []
    for experiment in memory.experiments(study.id):
        if experiment.id in judged or experiment.outcome.status != "finished":
            continue
        comparisons += champion is not None
        result = experiment.outcome.result
        verdict = judge(
            experiment.id,
            study.metric,
            read_cases(runs, experiment),
            champion.id if champion else None,
            read_cases(runs, champion) if champion else None,
            comparisons,
            config,
            own=result.metrics.get(study.metric) if result else None,
            is_baseline=not proposals[experiment.proposal_id].changes,
        )
        memory.keep_verdict(study.id, verdict)
        verdicts.append(verdict)
        if verdict.outcome in ("baseline", "promote"):
            champion = experiment
    return tuple(verdicts)


def read_cases(runs: Path, experiment: Experiment) -> tuple[Case, ...]:
    """The held-out cases of a finished experiment; ArcError when the file is not the recorded one."""
    path = runs / experiment.id / CASES
    if not path.is_file():
        raise ArcError(f"{path} is missing, so {experiment.id} can't be compared; restore it from a backup")
    result = experiment.outcome.result
    recorded, found = result.files.get(CASES) if result else None, sha256_of_file(path)
    if found != recorded:
        raise ArcError(f"{path} has changed since it was recorded: SHA-256 {found}, expected {recorded}")
    return TypeAdapter(tuple[Case, ...]).validate_json(path.read_bytes())
