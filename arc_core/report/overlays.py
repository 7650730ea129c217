"""What a segmentation drew on held-out photographs."""

from pathlib import Path

from arc_core.data.manifest import Dataset
from arc_core.errors import ArcError
from arc_core.experiments.memory import Memory
from arc_core.experiments.result import Case
from arc_core.experiments.runs import Runs
from arc_core.gate.panel import read_cases
from arc_core.report import figures


def ranked_cases(memory: Memory, runs: Runs, experiment_id: str) -> tuple[Case, ...]:
    """The experiment's held-out cases that have masks, the worst mean Dice first.

    None where they are not the recorded ones: the gate has told of it, and the rest of the report is as good.
    """
    try:
        found = read_cases(memory, runs, experiment_id)
    except ArcError:
        return ()
    cases = [case for case in found if case.mean_dice is not None]
    return tuple(sorted(cases, key=lambda case: (case.mean_dice, case.image_id)))


def overlay_of(memory: Memory, runs: Runs, dataset: Dataset, experiment_id: str, case: Case) -> bytes | None:
    """The photograph with both contours; None where the mask is not the recorded file."""
    source = next(each for each in dataset.cases if each.image_id == case.image_id)
    root, name = Path(dataset.root), f"fold-{case.fold}/masks/{case.image_id}.png"
    assert source.mask is not None
    result = memory.result(experiment_id)
    recorded = result.files.get(name) if result else None
    if recorded is None or runs.fetch(experiment_id, {name: recorded}):
        return None
    return figures.overlay(root / source.image, root / source.mask, runs.path(experiment_id, name))
