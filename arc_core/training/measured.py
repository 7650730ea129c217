"""The measured cases of a finished experiment, measured anew where their file was lost: the same figures."""

from collections.abc import Mapping
from pathlib import Path

from arc_core.errors import ArcError
from arc_core.experiments.result import CASES
from arc_core.provenance.canonical import sha256_of_file
from arc_core.training.evaluator import evaluate
from arc_core.training.plan import TrainingPlan


def is_recorded(path: Path, sha256: str | None) -> bool:
    """Whether the file is there, and is the one of that SHA-256."""
    return path.is_file() and sha256_of_file(path) == sha256


def measure_anew(run_dir: Path, files: Mapping[str, str]) -> None:
    """Write `cases.json` again, from the predictions that were recorded. `files`: path → SHA-256.

    ArcError names the file that keeps it from being what it was: missing, changed, or of other images.
    """
    for name, sha256 in files.items():
        path = run_dir / name
        if name != CASES and not is_recorded(path, sha256):
            raise ArcError(
                f"{path} {'has changed since it was recorded' if path.is_file() else 'is missing'}"
            )
    plan = TrainingPlan.model_validate_json((run_dir / "plan.json").read_bytes())
    plan = plan.model_copy(update={"run_dir": str(run_dir)})  # the home may have been moved
    for with_outlines in (True, False):  # an older ARC measured without
        evaluate(plan, with_outlines=with_outlines)
        if is_recorded(run_dir / CASES, files.get(CASES)):
            return
    raise ArcError(f"{run_dir / CASES}, measured anew, is not what was recorded")
