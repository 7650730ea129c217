"""The gate in session: every finished experiment without a verdict gets one, in order of approval."""

import logging
from collections.abc import Callable

from pydantic import TypeAdapter

from arc_core.errors import ArcError
from arc_core.experiments.board import Proposal
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import ACCEPTED, CASES, Case, Verdict
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Study
from arc_core.gate.verdict import GateConfig, judge

log = logging.getLogger(__name__)
CURE = "restore it from a backup"


def judge_finished(
    memory: Memory,
    study: Study,
    runs: Runs,
    config: GateConfig,
    *,
    tell: Callable[[str], object] = log.warning,
) -> tuple[Verdict, ...]:
    """Compare each new result with the champion of that moment; the verdicts given now.

    Where the measured cases of either are not the recorded ones there is no verdict: `tell` is told why, and
    the experiment waits for one until they are.
    """
    champion, comparisons = memory.champion(study.id), memory.comparisons(study.id)
    waiting = memory.unjudged(study.id)
    proposals = memory.said_of([experiment.id for experiment in waiting], Proposal)
    verdicts: list[Verdict] = []
    for experiment in waiting:
        try:
            cases = read_cases(memory, runs, experiment.id)
            champions = read_cases(memory, runs, champion.id) if champion else None
        except ArcError as error:
            tell(f"{experiment.id} is not judged: {error}")
            continue
        comparisons += champion is not None
        result = experiment.outcome.result
        verdict = judge(
            experiment.id,
            study.metric,
            cases,
            champion.id if champion else None,
            champions,
            comparisons,
            config,
            own=result.metrics.get(study.metric) if result else None,
            is_baseline=not proposals[experiment.id].changes,
        )
        memory.keep_verdict(study.id, verdict)
        verdicts.append(verdict)
        if verdict.outcome in ACCEPTED:
            champion = experiment
    return tuple(verdicts)


def read_cases(memory: Memory, runs: Runs, experiment_id: str) -> tuple[Case, ...]:
    """The held-out cases of a finished experiment; ArcError when the file is not the recorded one."""
    result, path = memory.result(experiment_id), runs.path(experiment_id, CASES)
    recorded = result.files.get(CASES, "") if result else ""
    if why := runs.fetch(experiment_id, {CASES: recorded}).get(CASES):
        raise ArcError(f"{path} {why}, so {experiment_id} can't be compared; {CURE}")
    return TypeAdapter(tuple[Case, ...]).validate_json(path.read_bytes())
