"""The sealed test part, as people read of it: that it is held back, and each time that it was opened.

Its figures are written for people alone, once it was opened: nothing of the board can import this.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pydantic import TypeAdapter

from arc_core.data.sealed import openings_of
from arc_core.data.study import dataset_of, split_of
from arc_core.errors import Unfounded
from arc_core.evaluation.evaluation import Evaluation, metrics_of
from arc_core.evaluation.few import TOLD, behind, firm
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import METRICS, OF_TASK, Estimate, Task
from arc_core.experiments.result import Case
from arc_core.experiments.runs import inside
from arc_core.experiments.study import Study
from arc_core.experiments.verification import EVALUATIONS
from arc_core.provenance.canonical import sha256_of_file
from arc_core.provenance.files import write_atomically
from arc_core.provenance.ledger import Entry
from arc_core.record import Record
from arc_core.report.page import fragment
from arc_core.report.summary import size_in_words


class Found(Record):
    """What was measured of the test part. `metrics`: of the task; an older ARC did not keep them."""

    metrics: dict[str, Estimate]
    evaluation: Evaluation
    cases: tuple[Case, ...]


class Opening(Record):
    """A time that the test part was opened. `fault`: why it has no figures."""

    number: int
    at: datetime
    by: str
    reason: str
    study_id: str
    experiment_id: str
    figures: dict[str, str | None] = {}
    fault: str = ""


def figures_of(metrics: Mapping[str, Estimate], found: Evaluation, task: Task) -> dict[str, str | None]:
    """The planned metrics and what came of the locked threshold, by their names; None: not defined.

    Without an interval where too few patients are behind it; Wilson's, at the threshold, holds of any number.
    """
    scores = found.classification
    positives = scores.positives if scores else None
    named: dict[str, Estimate | float | None] = {
        METRICS[name].label: firm(metrics.get(name), behind(name, found.patients, found.images, positives))
        for name in OF_TASK[task]
    }
    at = scores.confusion if scores else None
    if at is not None and at.locked:
        (threshold,) = set(at.thresholds.values())
        named[f"sensitivity at the locked threshold {threshold:.4f}"] = at.sensitivity
        named[f"specificity at the locked threshold {threshold:.4f}"] = at.specificity
    return {name: in_figures(value) for name, value in named.items()}


def in_figures(value: Estimate | float | None) -> str | None:
    """To three decimals."""
    if value is None:
        return None
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def read_found(home: Path, measured: Mapping[str, str]) -> Found:
    """`measured`: the outputs of an opening's `eval.completed`.

    Unfounded where its file is not the one that the ledger tells of.
    """
    name, sha256 = next(item for item in measured.items() if item[0].startswith(f"{EVALUATIONS}/"))
    path = inside(home, name)
    if not path.is_file() or sha256_of_file(path) != sha256:
        raise Unfounded(f"{path} {'has changed' if path.is_file() else 'is missing'}: no figure of it holds")
    tree = TypeAdapter(dict[str, Any]).validate_json(path.read_bytes())
    opened, cases = tree["opened"], TypeAdapter(tuple[Case, ...]).validate_python(tree["cases"])
    return Found(
        metrics=opened.get("metrics", {}),
        evaluation=Evaluation.model_validate(opened["evaluation"]),
        cases=cases,
    )


def section_of_test_part(memory: Memory, study: Study, home: Path) -> Markup:
    """The section of the study's page, as things are now."""
    sealed = split_of(study).sealed
    openings = (
        ()
        if sealed is None
        else tuple(_opening(memory, entry, study.task, home) for entry in openings_of(memory.ledger, sealed))
    )
    return fragment(
        "sealed.html.j2",
        study=study,
        size=sealed and size_in_words(sealed, dataset_of(study)),
        openings=openings,
        names=tuple(dict.fromkeys(name for each in openings for name in each.figures)),
        intervals=TOLD,
    )


def tell_of_opening(memory: Memory, study: Study, home: Path) -> None:
    """Put the section as it now is into the pages of the study that a cycle has written."""
    section = section_of_test_part(memory, study, home)
    own = re.compile(rf'<section id="test-part" data-study="{re.escape(study.id)}">.*?</section>', re.DOTALL)
    for path in (home / "report" / name for name in (f"{study.id}.html", "index.html")):
        if path.is_file():
            page = path.read_text()
            write_atomically(path, own.sub(lambda _: section, page).encode())


def _opening(memory: Memory, entry: Entry, task: Task, home: Path) -> Opening:
    """Its figures, where it came to any and their file is the recorded one."""
    said = entry.event
    measured = next(
        (
            each.event
            for each in memory.ledger.entries(kind="eval.completed", subject=said.subject)
            if each.event.facts.get("opening") == said.facts["number"]
        ),
        None,
    )
    figures, fault = {}, ""
    try:
        if measured is None:
            fault = "nothing was measured"
        else:
            found = read_found(home, measured.outputs)
            metrics = found.metrics or metrics_of(found.cases, task)
            figures = figures_of(metrics, found.evaluation, task)
    except Unfounded as error:
        fault = str(error)
    return Opening(
        number=said.facts["number"],
        at=said.at,
        by=said.actor.name,
        reason=said.reason,
        study_id=said.subject,
        experiment_id=said.facts["experiment"],
        figures=figures,
        fault=fault,
    )
