"""All that the documents say of an experiment and its study, gathered once; they read nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from arc_core.data.groupings import groups_of
from arc_core.data.manifest import Dataset
from arc_core.data.splits import Split
from arc_core.data.study import dataset_of, split_of
from arc_core.dossier.document import Picture
from arc_core.dossier.figure import Evaluations, Figure
from arc_core.dossier.history import History, Told, read_history
from arc_core.dossier.intended_use import IntendedUse
from arc_core.dossier.tried import Tried, gains_over, tried_of
from arc_core.dossier.worst import worst_cases
from arc_core.errors import ArcError, StoreError, Unfounded
from arc_core.evaluation.evaluation import Evaluation, evaluation_of
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.result import CASES, Case, Result
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment, Study
from arc_core.gate.panel import read_cases
from arc_core.record import Record
from arc_core.report.sealed import read_found
from arc_core.training.fold import MODEL
from arc_core.training.plan import PLAN


class Opening(Record):
    """A time that the test part was opened. `found`: None where it was opened and nothing was measured."""

    number: int
    told: Told
    experiment_id: str
    threshold: float | None
    found: Evaluation | None
    metrics: dict[str, Estimate] = {}
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a dossier is about. `cases` and `found`: out-of-fold, of the experiment.

    `gains`: accepted experiment → the gain of this one over it, in the primary metric, paired. It lacks those
    whose cases are no longer there.
    """

    study: Study
    dataset: Dataset
    split: Split
    experiment: Experiment
    is_champion: bool
    result: Result
    cases: tuple[Case, ...]
    found: Evaluation
    tried: tuple[Tried, ...]
    gains: Mapping[str, Figure]
    openings: tuple[Opening, ...]
    worst: tuple[Picture, ...]
    has_weights: bool
    comparisons: int
    cycles: int
    history: History
    evaluations: Evaluations
    use: IntendedUse

    @property
    def label(self) -> str:
        """Of the primary metric."""
        return METRICS[self.study.metric].label

    @property
    def unit(self) -> str:
        """What never lies in two folds; without patient ids no more than an image."""
        known = self.dataset.has_patient_ids or self.split.by != "patient"
        return self.split.by if known else "image"

    @cached_property
    def accepted(self) -> tuple[Tried, ...]:
        """The champions, oldest first: the original is the first of them."""
        judged = self.history.of("verdict.given")
        order = {told.subject: place for place, told in enumerate(judged)}
        return tuple(sorted((each for each in self.tried if each.accepted), key=lambda each: order[each.id]))

    @property
    def chosen_among(self) -> str:
        """Those that the model was chosen among: of what was decided on, what has figures."""
        measured = sum(bool(each.metrics) for each in self.tried)
        return f"{measured} measured experiments, of {len(self.tried)} that were decided on"

    @property
    def plan(self) -> Told | None:
        """The analysis plan that was locked last."""
        return _last(self.history.of("sap.locked", self.study.id))

    @property
    def lock(self) -> Told | None:
        """The experiment's threshold, as it was locked last."""
        return _last(self.history.of("threshold.locked", self.experiment.id))

    @property
    def started(self) -> Told:
        """The last start of the experiment's training: its machine, its configuration, who approved it."""
        told = _last(self.history.of("run.started", self.experiment.id))
        assert told is not None, "what was measured was started"
        return told

    @property
    def opened(self) -> Opening | None:
        """The first opening that measured this experiment: later ones are told of, and count for less."""
        own = (each for each in self.openings if each.experiment_id == self.experiment.id and each.found)
        return next(own, None)


def opening_subject(study_id: str, number: int) -> str:
    """How an opening's evaluation is named among `Evaluations`."""
    return f"{study_id}, opening {number}"


def gather(memory: Memory, runs: Runs, home: Path, experiment: Experiment, use: IntendedUse) -> Facts:
    """Of a finished experiment. Unverified where the ledger is broken, Unfounded where a number has no
    evaluation in it, ArcError where a file is not the recorded one."""
    study, result = memory.study(experiment.study_id), memory.result(experiment.id)
    if result is None:
        raise StoreError(
            "the experiment has no result",
            where=memory.database,
            got=f"{experiment.id}, {experiment.outcome.status}",
            expected="a finished one",
            cure="Choose another, or wait for its training.",
        )
    history = read_history(memory.ledger)
    evaluations = Evaluations(_evaluations(history))
    evaluated = _evaluated(history, experiment, result)
    cases = read_cases(memory, runs, experiment.id)
    dataset, champion = dataset_of(study), memory.champion(study.id)
    tried = tried_of(memory, study, evaluations)
    return Facts(
        study=study,
        dataset=dataset,
        split=split_of(study),
        experiment=experiment,
        is_champion=champion is not None and champion.id == experiment.id,
        result=result,
        cases=cases,
        found=evaluation_of(cases, study.task, groups=groups_of(dataset, study.task)),
        tried=tried,
        gains=gains_over(memory, runs, study, experiment.id, cases, tried, evaluations),
        openings=tuple(_openings(history, study, home)),
        worst=worst_cases(memory, runs, dataset, experiment.id, cases, evaluated),
        has_weights=_has_weights(runs, experiment.id, result),
        comparisons=len(memory.comparisons(study.id)),
        cycles=len(memory.cycles(study.id)),
        history=history,
        evaluations=evaluations,
        use=use,
    )


def _last(told: tuple[Told, ...]) -> Told | None:
    return told[-1] if told else None


def _evaluations(history: History) -> dict[str, str]:
    """Hash of each `eval.completed` → the experiment, or the opening of a study's test part."""
    return {
        told.hash: opening_subject(told.subject, told.facts["opening"])
        if "opening" in told.facts
        else told.subject
        for told in history.of("eval.completed")
    }


def _evaluated(history: History, experiment: Experiment, result: Result) -> str:
    """The hash of the experiment's evaluation. Unfounded unless it is of the cases that figures rest on."""
    told = _last(history.of("eval.completed", experiment.id))
    began = history.of("run.started", experiment.id)
    if told is None or not began or told.outputs.get(CASES) != result.files.get(CASES):
        raise Unfounded(
            f"no run.started and eval.completed of the ledger tell of the cases of {experiment.id}: no "
            "figure of it can be printed. It was measured before the ledger began, or its row was changed "
            "past it"
        )
    return told.hash


def _has_weights(runs: Runs, experiment_id: str, result: Result) -> bool:
    """Whether the networks are there. ArcError where one is not the recorded one."""
    weights = {name: sha for name, sha in result.files.items() if name.rpartition("/")[2] in (PLAN, MODEL)}
    lacking = runs.fetch(experiment_id, weights)
    for name, why in lacking.items():
        if runs.path(experiment_id, name).exists():
            raise ArcError(f"{runs.path(experiment_id, name)} {why}; restore it from a backup")
    return bool(weights) and not lacking


def _openings(history: History, study: Study, home: Path) -> list[Opening]:
    """Unfounded where the file of an opening is not the one that the ledger tells of."""
    measured = {
        told.facts["opening"]: told
        for told in history.of("eval.completed", study.id)
        if "opening" in told.facts
    }
    return [
        _opening(told, measured.get(told.facts["number"]), home)
        for told in history.of("testset.opened", study.id)
    ]


def _opening(opened: Told, measured: Told | None, home: Path) -> Opening:
    number, experiment_id = opened.facts["number"], opened.facts["experiment"]
    if measured is None:
        return Opening(number=number, told=opened, experiment_id=experiment_id, threshold=None, found=None)
    found = read_found(home, measured.outputs)
    return Opening(
        number=number,
        told=opened,
        experiment_id=experiment_id,
        threshold=measured.facts["threshold"],
        found=found.evaluation,
        metrics=found.metrics,
        cases=found.cases,
    )
