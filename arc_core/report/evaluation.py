"""The champion's evaluation, as its section of the study's page tells it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from arc_core.data.groupings import groups_of
from arc_core.data.manifest import Dataset
from arc_core.data.study import dataset_of
from arc_core.errors import ArcError
from arc_core.evaluation import calibration, outlines, threshold
from arc_core.evaluation.evaluation import VERSION, Evaluation, evaluation_of
from arc_core.evaluation.published import Setting, beside
from arc_core.evaluation.subgroups import FEW_OF_A_CLASS, FEW_PATIENTS, OF_TASK
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS, Estimate
from arc_core.experiments.result import CASES, Case
from arc_core.experiments.runs import Runs
from arc_core.experiments.study import Experiment, Study
from arc_core.gate.panel import read_cases
from arc_core.provenance.canonical import canonical_json, sha256_of, sha256_of_file
from arc_core.provenance.files import write_atomically
from arc_core.record import Record
from arc_core.report import evaluation_plots as plots

KEPT = "evaluation.json"
"""The figures under the study's folder of the report; computed anew where they rest on something else."""


class Kept(Record):
    """An evaluation, and the hash of all that it rests on."""

    cases_sha256: str
    simulated: bool
    rests_on: str
    evaluation: Evaluation


def told_of_evaluation(
    memory: Memory, study: Study, runs: Runs, champion: Experiment | None, folder: Path
) -> dict[str, Any]:
    """What the template says; `folder` is the study's in the report. `fault`: why there are no figures."""
    if champion is None:
        return {"fault": "No experiment has been accepted yet."}
    dataset = dataset_of(study)
    try:
        cases = read_cases(memory, runs, champion.id)
        sha256 = sha256_of_file(runs.path(champion.id, CASES))
        found = _evaluated(study, cases, sha256, groups_of(dataset, study.task), folder / KEPT)
    except ArcError as error:
        return {"fault": str(error)}
    own, setting = printed_of(found), setting_of(dataset, champion, folds=len({case.fold for case in cases}))
    return {
        "fault": None,
        "found": found,
        "plots": plots.plots_of(found, cases),
        "metrics": METRICS,
        "columns": OF_TASK[study.task],
        "published": beside(own, setting, simulated=study.simulated),
        "own": own,
        "setting": setting,
        "few": (FEW_PATIENTS, FEW_OF_A_CLASS),
        "rules": {"bins": calibration.RULE, "threshold": threshold.RULE, "tolerance": outlines.TOLERANCE},
    }


def _evaluated(
    study: Study, cases: tuple[Case, ...], sha256: str, groups: Mapping[str, Mapping[str, str]], path: Path
) -> Evaluation:
    """As kept at `path`, if it rests on the same: a champion stands for many cycles. `sha256`: of the file
    of `cases`."""
    rests_on = sha256_of([VERSION, sha256, groups])
    try:
        kept = Kept.model_validate_json(path.read_bytes())
        if kept.rests_on == rests_on:
            return kept.evaluation
    except (OSError, ValidationError):
        pass  # there is none, or it is of another ARC
    found = evaluation_of(cases, study.task, groups=groups)
    kept = Kept(cases_sha256=sha256, simulated=study.simulated, rests_on=rests_on, evaluation=found)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, canonical_json(kept.model_dump(mode="json")) + b"\n")
    return found


def printed_of(found: Evaluation) -> Mapping[str, Estimate]:
    """Those that papers print."""
    masks, scores = found.segmentation, found.classification
    known = {
        "disc_dice": masks.disc.dice_mean if masks else None,
        "cup_dice": masks.cup.dice_mean if masks else None,
        "vcdr_mae": masks.vcdr_mae if masks else None,
        "auc": scores.auc if scores else None,
    }
    return {name: estimate for name, estimate in known.items() if estimate is not None}


def setting_of(dataset: Dataset, champion: Experiment, *, folds: int) -> Setting:
    by = "patient" if dataset.has_patient_ids else "image"
    return Setting(
        data=dataset.name,
        split=f"out-of-fold, {folds} folds by {by}",
        crop="none: the whole photograph",
        resolution_px=f"{champion.outcome.spec.image_size_px}, measured in the photograph's own",
    )
