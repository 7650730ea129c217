"""The gate's verdicts on what was trained."""

import logging
from itertools import chain

from arc_core.errors import ArcError
from arc_core.evaluation.threshold import sensitivity_apart
from arc_core.experiments.result import CASES
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment
from arc_core.gate.panel import Sitting, judge_finished
from arc_core.settings import get_settings
from arc_core.training.measured import measure_anew
from tasks.context import Context
from tasks.policy import arc_task
from tasks.progress import announce

log = logging.getLogger(__name__)


@arc_task(name="judge")
def judge(context: Context) -> Sitting:
    """A verdict for every finished experiment that has none, whose measured cases can be had, and that needs
    no further seeds; the repeats that the others wait for are to be trained."""
    memory, study, runs = context.memory, context.study, Runs.of(get_settings())
    champion = memory.champion(study.id)
    compared = (*([champion] if champion else []), *memory.unjudged(study.id))
    repeats = memory.repeats.of([each.id for each in compared]).values()
    for experiment in (*compared, *chain.from_iterable(repeats)):
        _restore(context, runs, experiment)
    return judge_finished(
        memory,
        study,
        context.cycle,
        runs,
        context.config.gate,
        # A segmentation decides on no case; what its vCDR would is no reason to keep better masks back.
        sensitivity=sensitivity_apart if study.task == "classification" else None,
        tell=_tell,
    )


def _restore(context: Context, runs: Runs, experiment: Experiment) -> None:
    """Its cases, if their file is not the recorded one; where that can't be, the gate says what follows."""
    result = context.memory.result(experiment.id)
    if result is None or not runs.fetch(experiment.id, {CASES: result.files.get(CASES, "")}):
        return
    try:
        measure_anew(runs.folder_of(experiment.id), result.files)
    except ArcError as error:
        _tell(f"{experiment.id}: {CASES} is lost, and can't be measured anew: {error}. {CURE}")
    else:
        _tell(f"{experiment.id}: {CASES} was lost or changed; it was measured anew from the predictions.")


CURE = "Restore the folder from a backup; the next cycle takes it into account."


def _tell(words: str) -> None:
    log.warning(words)
    announce(words)
