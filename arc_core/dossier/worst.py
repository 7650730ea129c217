"""The cases that went worst, drawn: the photograph with the reference standard's outlines and the model's."""

from arc_core.data.manifest import Dataset
from arc_core.dossier.document import Picture
from arc_core.errors import ArcError
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import Case
from arc_core.experiments.runs import Runs
from arc_core.report.overlays import overlay_of

SHOWN = 4


def worst_cases(
    memory: Memory, runs: Runs, dataset: Dataset, experiment_id: str, cases: tuple[Case, ...], evaluation: str
) -> tuple[Picture, ...]:
    """Those of the lowest mean Dice, the worst first; none of a classification.

    A case whose photograph or mask is no longer there as it was recorded is left out.
    """
    ranked = sorted(
        (case for case in cases if case.mean_dice is not None),
        key=lambda case: (case.mean_dice, case.image_id),
    )
    found = []
    for place, case in enumerate(ranked[:SHOWN], 1):
        try:
            drawn = overlay_of(memory, runs, dataset, experiment_id, case)
        except (ArcError, OSError):
            continue
        if drawn is not None:
            found.append(
                Picture(
                    name=f"worst_{place}.jpg",
                    content=drawn,
                    caption=f"{place}. {case.image_id}: disc Dice {case.disc_dice:.3f}, cup Dice "
                    f"{case.cup_dice:.3f}",
                    width=0.5,
                    evaluation=evaluation,
                )
            )
    return tuple(found)
