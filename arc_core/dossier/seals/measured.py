"""The files with every case behind the figures: those whose hashes stand in the ledger's evaluations."""

from pathlib import Path

from arc_core.dossier.facts import Facts
from arc_core.dossier.history import Told
from arc_core.errors import Unfounded
from arc_core.experiments.result import CASES
from arc_core.experiments.runs import Runs, inside
from arc_core.experiments.verification import EVALUATIONS

FOLDER = "measured"


def evaluation_of(facts: Facts) -> Told:
    """The event that tells what was measured of the experiment."""
    return facts.history.of("eval.completed", facts.experiment.id)[-1]


def write_measured(folder: Path, facts: Facts, runs: Runs, home: Path) -> None:
    """The out-of-fold cases, and each opening's evaluation with its cases.

    Unfounded where a file is not the one that was measured.
    """
    to, name = folder / FOLDER, facts.experiment.id
    to.mkdir()
    content = runs.path(name, CASES).read_bytes()  # `gather` has seen that it is there
    (to / CASES).write_bytes(content)
    if lacking := runs.fetch(name, {CASES: evaluation_of(facts).outputs[CASES]}, to):
        raise Unfounded(f"{CASES} of {name} {lacking[CASES]}")
    for told in facts.history.of("eval.completed", facts.study.id):
        for path in (path for path in told.outputs if path.startswith(f"{EVALUATIONS}/")):
            (folder / EVALUATIONS).mkdir(exist_ok=True)
            (folder / path).write_bytes(inside(home, path).read_bytes())
