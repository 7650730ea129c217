"""The champion at work on new images."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from arc_core.data.leakage import need_none_sealed
from arc_core.data.sealed import need_unsealed
from arc_core.data.study import dataset_of, sealed_in
from arc_core.experiments.memory import Memory, open_memory
from arc_core.experiments.study import Experiment, Study
from arc_core.provenance.canonical import sha256_of_file
from arc_core.settings import get_settings
from arc_core.training.prediction import NOTICE, Predicted, check_out, images_in, predict_folder
from tasks.champion import Champion, champion_of, networks_of
from tasks.policy import arc_task
from tasks.progress import tell


@arc_task(name="find champion")
def find_champion(study_id: str | None) -> Champion:
    """The champion of the study, or of the one that ran last. StoreError when there is none."""
    return champion_of(open_memory(get_settings().store_url), study_id)


@arc_task(name="predict")
def predict_images(champion: Champion, images: Path, out: Path) -> Predicted:
    """Predict every image of the folder, and say beside the table who predicted."""
    found, memory = images_in(images), open_memory(get_settings().store_url)
    check_out(images, out)
    hashes = {path: sha256_of_file(path) for path in found.values()}
    sealed = sealed_in(memory)
    need_unsealed({sha256: path for path, sha256 in hashes.items()}, sealed)
    need_none_sealed(found.values(), sealed)
    predictor, _ = networks_of(memory, champion.experiment.id)
    places = {image_id: place for place, image_id in enumerate(found, 1)}
    remarks = (*_threshold(memory, champion.experiment), *_trained_on(champion.study, hashes.values()))
    predicted = predict_folder(
        predictor.predict,
        found,
        out,
        "\n".join((champion.words, *remarks, NOTICE, "")),
        lambda image_id: tell("images", 100 * places[image_id] / len(found), image_id),
    )
    return predicted.model_copy(update={"remarks": remarks})


def _threshold(memory: Memory, experiment: Experiment) -> Iterator[str]:
    """Where to cut the probability, once a person has locked that."""
    for entry in [*memory.ledger.entries(kind="threshold.locked", subject=experiment.id)][-1:]:
        locked = entry.event
        if (value := locked.facts["threshold"]) is not None:
            yield f"Its threshold, locked by {locked.actor.name}: positive from a probability of {value:.4f}."


def _trained_on(study: Study, hashes: Iterable[str]) -> Iterator[str]:
    """A warning where the champion is asked about the images it learned from."""
    learned = {case.sha256 for case in dataset_of(study).cases}
    if known := sum(sha256 in learned for sha256 in hashes):
        yield f"The study itself has {known} of these images: it was trained on them."
