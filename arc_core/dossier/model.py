"""The model itself, as a MONAI bundle within the dossier, where its weights are still there."""

from pathlib import Path

from arc_core.dossier.facts import Facts
from arc_core.experiments.metric import METRICS
from arc_core.experiments.runs import Runs

FOLDER = "model"


def write_model(folder: Path, facts: Facts, runs: Runs) -> None:
    """Make `folder` the bundle. ArcError where a file is not the one that was recorded."""
    from arc_core.bundle.origin import Origin  # what follows loads torch
    from arc_core.bundle.write import write_bundle
    from arc_core.training.predictor import Predictor

    result, experiment = facts.result, facts.experiment
    predictor = Predictor.load(runs.folder_of(experiment.id), result.files, vcdr_model=result.vcdr_model)
    origin = Origin(experiment=experiment, study=facts.study, result=result, words=words_of(facts))
    write_bundle(folder, origin, predictor.ensemble)


def words_of(facts: Facts) -> str:
    """What the bundle's README says of it."""
    measured = ", ".join(f"{METRICS[name].label} {value}" for name, value in facts.result.metrics.items())
    mark = "SIMULATED: trained on images that ARC drew; its output means nothing for patients. "
    return (
        f"{mark if facts.study.simulated else ''}{facts.experiment.id} of {facts.study.id} "
        f"({facts.study.task}, {facts.dataset.name}). Out-of-fold: {measured}. It was chosen among "
        f"{facts.chosen_among}, on these same cases, so expect less on new patients."
    )
