"""The gate in session: every finished experiment without a verdict gets one, in order of approval.

Where a comparison needs trainings with further seeds, they are opened, and the verdict waits for them; so do
those behind it, as their turn decides what error they may risk and with whom they are compared. Nothing is
opened for them meanwhile: what trains, and so what is decided, depends on the results and never on the time.
"""

import logging
from collections.abc import Callable, Collection, Sequence
from math import inf
from typing import NamedTuple

from pydantic import TypeAdapter

from arc_core.errors import ArcError
from arc_core.experiments.board import Proposal
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import ACCEPTED, CASES, Case, Race, Verdict
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Cycle, Experiment, Study
from arc_core.gate.contrast import floor_of
from arc_core.gate.spending import allowance
from arc_core.gate.verdict import GateConfig, Sensitivity, Side, first_verdict, judge

log = logging.getLogger(__name__)
CURE = "restore it from a backup"
_IN_VAIN = ("failed", "withdrawn")
Tell = Callable[[str], object]


class Sitting(NamedTuple):
    """The verdicts given, and the repeats that others wait for."""

    verdicts: tuple[Verdict, ...]
    wanted: tuple[str, ...]


def judge_finished(
    memory: Memory,
    study: Study,
    cycle: Cycle,
    runs: Runs,
    config: GateConfig,
    *,
    sensitivity: Sensitivity | None = None,
    tell: Tell = log.warning,
    going: Collection[Experiment] = (),
) -> Sitting:
    """Compare each new result with the champion of that moment. Repeats are opened as the cycle's.

    `going`: what still trains; those approved after it wait. Where the measured cases of either are not the
    recorded ones there is no verdict: `tell` is told why, and the experiment waits for one until they are.
    """
    return _Panel(memory, study, cycle, runs, config, sensitivity, tell).sit(going)


def due(memory: Memory, study_id: str, going: Collection[Experiment]) -> tuple[Experiment, ...]:
    """Those without a verdict whose turn it is: approved before everything that still trains."""
    first = min((each.number for each in going if each.repeat_of is None), default=inf)
    return tuple(each for each in memory.unjudged(study_id) if each.number < first)


class _Panel(NamedTuple):
    memory: Memory
    study: Study
    cycle: Cycle
    runs: Runs
    config: GateConfig
    sensitivity: Sensitivity | None
    tell: Tell

    def sit(self, going: Collection[Experiment]) -> Sitting:
        champion = self.memory.champion(self.study.id)
        verdicts, missing = list[Verdict](), 0
        for experiment in due(self.memory, self.study.id, going):
            try:
                found = self._on(experiment, champion, missing)
            except ArcError as error:
                self.tell(f"{experiment.id} is not judged: {error}")
                missing += 1  # it keeps its turn: who hides files is not to choose what the others may risk
                continue
            if found is None:
                break
            self.memory.keep_verdict(self.study.id, found)
            verdicts.append(found)
            if found.outcome in ACCEPTED:
                champion = experiment
        if champion is not None and self._has_challengers(champion):
            # Whoever is compared first will need them, so they need not wait for it.
            self._opened(champion, self.memory.repeats.of([champion.id])[champion.id], _IN_VAIN)
        return Sitting(tuple(verdicts), self.memory.repeats.pending(self.study.id))

    def _has_challengers(self, champion: Experiment) -> bool:
        """Whether the cycle has others, however they end: what trains is not to depend on who is faster."""
        others = (each for each in self.memory.agenda(self.cycle) if each.id != champion.id)
        return any(each.outcome.status != "withdrawn" for each in others)

    def _on(self, experiment: Experiment, champion: Experiment | None, ahead: int) -> Verdict | None:
        """The verdict; None: it waits for repeats. `ahead`: how many stand before it without one."""
        if champion is None:
            result = experiment.outcome.result
            own = result.metrics.get(self.study.metric) if result else None
            proposal = self.memory.said_of([experiment.id], Proposal)[experiment.id]
            self._cases(experiment.id)  # what can't be compared with is no champion
            return first_verdict(experiment.id, self.study.metric, own, is_baseline=not proposal.changes)
        before = (*self.memory.comparisons(self.study.id), *([False] * ahead))
        allowed, comparison = allowance(self.config.alpha, before), len(before) + 1
        if experiment.outcome.status == "pruned":
            return _stopped(experiment.id, self.memory.races.of(experiment.id), allowed, comparison)
        repeats = self.memory.repeats.of([champion.id, experiment.id])
        if self._opened(champion, repeats[champion.id], _IN_VAIN):
            return None
        if self._going(repeats[champion.id]) or self._going(repeats[experiment.id]):
            return None
        floor = floor_of(tuple(self.memory.repeats.values(self.study.id, self.study.metric).values()))
        if floor is None:
            raise ArcError(_without_floor(champion.id, repeats[champion.id]))
        about = {"comparisons": comparison, "allowance": allowed, "champion_id": champion.id}
        told = {"experiment_id": experiment.id, "metric": self.study.metric} | about
        for repeat in repeats[experiment.id]:
            if repeat.outcome.status == "failed":  # a lead that another seed loses altogether is none
                reason = f"Trained with another seed, {repeat.id}, it failed: {repeat.outcome.reason}"
                return Verdict.model_validate({"outcome": "reject", "reason": reason} | told)
        verdict = judge(
            self.study.metric,
            self._side(experiment, repeats[experiment.id]),
            self._side(champion, repeats[champion.id]),
            floor,
            allowance=allowed,
            comparison=comparison,
            config=self.config,
            sensitivity=self.sensitivity,
        )
        if verdict is None and not self._opened(experiment, repeats[experiment.id], ("withdrawn",)):
            raise ArcError("so many of its repeats were withdrawn that no more are opened")
        return verdict

    def _opened(
        self, experiment: Experiment, repeats: tuple[Experiment, ...], in_vain: Sequence[str]
    ) -> bool:
        """Whether some were opened: those that it lacks, and as many again for those that ended in vain."""
        needed = self.config.seeds - 1
        lost = sum(repeat.outcome.status in in_vain for repeat in repeats)
        wanted = min(needed + lost, 2 * needed)
        if len(repeats) >= wanted:
            return False
        self.memory.repeats.open(experiment, self.cycle, wanted)
        return True

    def _going(self, repeats: tuple[Experiment, ...]) -> bool:
        return any(not repeat.outcome.has_ended for repeat in repeats)

    def _side(self, experiment: Experiment, repeats: tuple[Experiment, ...]) -> Side:
        """Repeats of the champion that failed are left out; as many have been tried in their place."""
        return side_of(self.memory, self.runs, experiment.id, repeats)

    def _cases(self, experiment_id: str) -> tuple[Case, ...]:
        return read_cases(self.memory, self.runs, experiment_id)


def _without_floor(champion_id: str, repeats: tuple[Experiment, ...]) -> str:
    why = "; ".join(f"{each.id}: {each.outcome.reason}" for each in repeats)
    return (
        f"the noise floor is not known, since none of the repeats of {champion_id} has finished ({why}); "
        "nothing is compared without. Begin another study with a baseline that trains with other seeds"
    )


def side_of(memory: Memory, runs: Runs, experiment_id: str, repeats: tuple[Experiment, ...]) -> Side:
    """An experiment with those of its repeats that have finished; ArcError where a file is not the recorded
    one."""
    finished = (each.id for each in repeats if each.outcome.status == "finished")
    ids = (experiment_id, *finished)
    return Side(ids=ids, trials=tuple(read_cases(memory, runs, each) for each in ids))


def _stopped(experiment_id: str, race: Race, allowed: float, comparison: int) -> Verdict:
    """On one that was stopped early; it counts as a comparison."""
    return Verdict(
        experiment_id=experiment_id,
        outcome="reject",
        metric=race.metric,
        champion_id=race.champion_id,
        effect=race.effect,
        level=race.level,
        comparisons=comparison,
        allowance=allowed,
        trainings=(experiment_id,),
        champion_trainings=race.champion_trainings,
        noise_floor=race.noise_floor,
        reason=race.reason,
    )


def read_cases(memory: Memory, runs: Runs, experiment_id: str) -> tuple[Case, ...]:
    """The held-out cases of a finished experiment; ArcError when the file is not the recorded one."""
    result, path = memory.result(experiment_id), runs.path(experiment_id, CASES)
    recorded = result.files.get(CASES, "") if result else ""
    if why := runs.fetch(experiment_id, {CASES: recorded}).get(CASES):
        raise ArcError(f"{path} {why}, so {experiment_id} can't be compared; {CURE}")
    return TypeAdapter(tuple[Case, ...]).validate_json(path.read_bytes())
