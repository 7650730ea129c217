"""The gate's verdicts on what was trained."""

import logging
from collections.abc import Collection
from itertools import chain

from arc_core.errors import ArcError
from arc_core.evaluation.threshold import sensitivity_apart
from arc_core.experiments.result import CASES
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment
from arc_core.gate.panel import Sitting, due, judge_finished
from arc_core.settings import get_settings
from arc_core.training.measured import measure_anew
from tasks.context import Context
from tasks.policy import arc_task
from tasks.progress import announce

log = logging.getLogger(__name__)


def judge(context: Context, going: Collection[str] = ()) -> tuple[str, ...]:
    """The verdicts whose turn has come while `going` still train; the repeats that the next one waits for."""
    trains = tuple(map(context.memory.experiment, going))
    return verdicts(context, trains).wanted if due(context.memory, context.study_id, trains) else ()


@arc_task(name="judge")
def verdicts(context: Context, going: Collection[Experiment]) -> Sitting:
    """A verdict for every finished experiment that has none, whose measured cases can be had, and that needs
    no further seeds."""
    memory, study, runs = context.memory, context.study, Runs.of(get_settings())
    champion = memory.champion(study.id)
    compared = (*([champion] if champion else []), *due(memory, study.id, going))
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
        going=going,
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
