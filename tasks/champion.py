"""Who predicts: the champion of a study, or another finished experiment, and its networks."""

from typing import TYPE_CHECKING

from arc_core.data.study import dataset_of
from arc_core.errors import ArcError, StoreError
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS
from arc_core.experiments.result import Result
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment, Study
from arc_core.record import Record
from arc_core.settings import get_settings

if TYPE_CHECKING:
    from arc_core.training.predictor import Predictor

CAVEAT = "Each fold's model on the cases held out from it"


class Champion(Record):
    """The experiment that predicts, and the study it comes from."""

    experiment: Experiment
    study: Study
    among: int
    """Experiments of the study that were measured, this one included."""
    title: str = "Champion"

    @property
    def words(self) -> str:
        """Who predicts, how well it did on cases held out from it, and why to expect less."""
        experiment, study = self.experiment, self.study
        estimates = experiment.outcome.result.metrics.items() if experiment.outcome.result else ()
        measured = ", ".join(f"{METRICS[name].label} {estimate}" for name, estimate in estimates)
        mark = "SIMULATED: trained on images that ARC drew; its output means nothing for patients. "
        return (
            f"{mark if study.simulated else ''}{self.title} #{experiment.number} {experiment.id} of "
            f"{study.id} ({study.task}, {dataset_of(study).name}). {CAVEAT}: {measured}. It was chosen among "
            f"{self.among} experiments on these same cases, so expect less on new patients."
        )


def champion_of(memory: Memory, study_id: str | None = None) -> Champion:
    """The champion of the study, or of the one that ran last. StoreError when there is none."""
    known = memory.studies()
    if study_id and study_id not in known:
        raise StoreError(
            "no such study",
            where=memory.database,
            got=study_id,
            expected="one of " + ", ".join(known),
            cure="Leave out --study for the one that ran last.",
        )
    for candidate in [study_id] if study_id else reversed(known):
        if champion := memory.champion(candidate):
            return _of_its_study(memory, champion)
    raise no_champion(memory.database)


def any_finished(memory: Memory, experiment_id: str) -> Champion:
    """Any finished experiment in the champion's place. StoreError where there is none of that id."""
    experiment = memory.experiment(experiment_id)
    if experiment.outcome.result is None:
        raise StoreError(
            "the experiment has no result",
            where=memory.database,
            got=f"{experiment_id}, {experiment.outcome.status}",
            expected="a finished one",
            cure="Choose another, or wait for its training.",
        )
    chosen = _of_its_study(memory, experiment)
    is_champion = memory.champion(chosen.study.id) == experiment
    return chosen if is_champion else chosen.model_copy(update={"title": "Experiment"})


def _of_its_study(memory: Memory, experiment: Experiment) -> Champion:
    study = memory.study(experiment.study_id)
    return Champion(experiment=experiment, study=study, among=len(memory.scores(study.id, study.metric)))


def no_champion(where: object) -> StoreError:
    """What is said where a store, or the home it should lie in, has no champion."""
    return StoreError(
        "there is no champion yet", where=where, cure="Run a cycle first: python -m flows.cycle --data DIR."
    )


def networks_of(memory: Memory, experiment_id: str) -> tuple["Predictor", Result]:
    """A finished experiment at work. ArcError when a file of it is missing or has changed."""
    from arc_core.training.predictor import Predictor, needed_of

    result = memory.result(experiment_id)
    assert result is not None
    runs = Runs.of(get_settings())
    for name, why in runs.fetch(experiment_id, needed_of(result.files)).items():
        path = runs.path(experiment_id, name)
        raise ArcError(f"{path} {why}; {experiment_id} can't predict without it: restore it from a backup")
    return Predictor.load(runs.folder_of(experiment_id), result.files, vcdr_model=result.vcdr_model), result
