"""Trainings that have finished, as bundles."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from arc_core.bundle.origin import Origin
from arc_core.bundle.write import write_bundle
from arc_core.experiments.board import Outcome
from arc_core.experiments.study import Experiment, Study
from arc_core.training.evaluator import evaluate
from arc_core.training.plan import TrainingPlan
from arc_core.training.predictor import Predictor
from tests.arc_core.training.conftest import (  # noqa: F401
    classified,
    datasets,
    photographs,
    planner,
    trained,
)

WITHOUT_ARC = Path(__file__).parents[2] / "without_arc.py"


@dataclass(frozen=True, kw_only=True)
class Bundled:
    """A bundle, and what it was made from."""

    folder: Path
    origin: Origin
    predictor: Predictor

    def run(self, *arguments: object) -> "subprocess.CompletedProcess[str]":
        """A module or script where ARC is not, in a folder that is not the bundle's."""
        command = [sys.executable, "-I", str(WITHOUT_ARC), *map(str, arguments)]
        return subprocess.run(
            command, cwd=self.folder.parent, env={}, capture_output=True, text=True, check=False
        )


def origin_of(plan: TrainingPlan) -> Origin:
    result, _ = evaluate(plan)
    outcome = Outcome(
        experiment_id=plan.experiment_id, cycle=1, spec=plan.spec, status="finished", result=result
    )
    return Origin(
        experiment=Experiment(
            id=plan.experiment_id, number=1, study_id=plan.study_id, proposal_id="p", outcome=outcome
        ),
        study=Study(
            id=plan.study_id,
            task=plan.spec.task,
            metric="auc",
            simulated=plan.dataset.simulated,
            dataset_sha256=plan.dataset.sha256,
            dataset=plan.dataset.model_dump(mode="json"),
            split=plan.split.model_dump(mode="json"),
        ),
        result=result,
        words="Champion #1 of $all, @random",
    )


@pytest.fixture(scope="session", params=["segmentation", "classification"])
def bundled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bundled:
    """One of each task."""
    finished: Callable[[], TrainingPlan] = {
        "segmentation": lambda: request.getfixturevalue("trained")[0],
        "classification": lambda: request.getfixturevalue("classified"),
    }[request.param]
    plan = finished()
    origin = origin_of(plan)
    result = origin.result
    predictor = Predictor.load(Path(plan.run_dir), result.files, vcdr_model=result.vcdr_model)
    folder = tmp_path_factory.mktemp("bundle") / request.param
    folder.mkdir()  # an empty one is filled
    write_bundle(folder, origin, predictor.ensemble)
    return Bundled(folder=folder, origin=origin, predictor=predictor)
