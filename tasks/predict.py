"""The champion at work on new images."""

from collections.abc import Iterable
from pathlib import Path

from arc_core.data.study import dataset_of
from arc_core.errors import ArcError, StoreError
from arc_core.experiments.memory import open_memory
from arc_core.experiments.metric import METRICS
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment, Study
from arc_core.provenance.canonical import sha256_of_file
from arc_core.record import Record
from arc_core.settings import get_settings
from arc_core.training.prediction import Predicted, check_out, images_in, predict_folder
from tasks.policy import arc_task
from tasks.progress import tell


class Champion(Record):
    """The experiment that predicts, and the study it comes from."""

    experiment: Experiment
    study: Study
    among: int
    """Experiments of the study that were measured, this one included."""

    @property
    def words(self) -> str:
        """Who predicts, how well it did on cases held out from it, and why to expect less."""
        result, study = self.experiment.outcome.result, self.study
        estimates = result.metrics.items() if result else ()
        measured = ", ".join(f"{METRICS[name].label} {estimate}" for name, estimate in estimates)
        mark = "SIMULATED: trained on images that ARC drew; its output means nothing for patients. "
        return (
            f"{mark if study.simulated else ''}Champion #{self.experiment.number} {self.experiment.id} of "
            f"{study.id} ({study.task}, {dataset_of(study).name}). {CAVEAT}: {measured}. It was chosen among "
            f"{self.among} experiments on these same cases, so expect less on new patients."
        )


@arc_task(name="find champion")
def find_champion(study_id: str | None) -> Champion:
    """The champion of the study, or of the one that ran last. StoreError when there is none."""
    settings = get_settings()
    memory = open_memory(settings.store_url)
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
            among = len(memory.scores(candidate, memory.study(candidate).metric))
            return Champion(experiment=champion, study=memory.study(candidate), among=among)
    raise no_champion(memory.database)


def no_champion(where: object) -> StoreError:
    """What is said where a store, or the home it should lie in, has no champion."""
    return StoreError(
        "there is no champion yet", where=where, cure="Run a cycle first: python -m flows.cycle --data DIR."
    )


@arc_task(name="predict")
def predict_images(champion: Champion, images: Path, out: Path) -> Predicted:
    """Predict every image of the folder, and say beside the table who predicted."""
    from arc_core.training.predictor import Predictor, needed_of

    found = images_in(images)
    check_out(images, out)
    result = open_memory(get_settings().store_url).result(champion.experiment.id)
    assert result is not None
    runs, champion_id = Runs.of(get_settings()), champion.experiment.id
    for name, why in runs.fetch(champion_id, needed_of(result.files)).items():
        path = runs.path(champion_id, name)
        raise ArcError(f"{path} {why}; the champion can't predict without it: restore it from a backup")
    predictor = Predictor.load(runs.folder_of(champion_id), result.files, vcdr_model=result.vcdr_model)
    places = {image_id: place for place, image_id in enumerate(found, 1)}
    return predict_folder(
        predictor,
        found,
        out,
        "\n".join(filter(None, (champion.words, _trained_on(champion.study, found.values()), NOTICE, ""))),
        lambda image_id: tell("images", 100 * places[image_id] / len(found), image_id),
    )


CAVEAT = "Each fold's model on the cases held out from it"
NOTICE = "Research software, not a medical device; not for use in the care of patients."


def _trained_on(study: Study, images: Iterable[Path]) -> str:
    """A warning where the champion is asked about the images it learned from."""
    learned = {case.sha256 for case in dataset_of(study).cases}
    known = sum(sha256_of_file(path) in learned for path in images)
    return f"Of these images, {known} belong to the study itself: it was trained on them." if known else ""
