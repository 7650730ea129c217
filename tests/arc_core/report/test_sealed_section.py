"""The sealed test part on the study's page, from what the ledger tells of it."""

import pytest

from arc_core.data.groupings import groups_of
from arc_core.data.sealed import sealed_from
from arc_core.data.study import dataset_of
from arc_core.evaluation.evaluation import evaluation_of, metrics_of
from arc_core.evaluation.few import FEWEST
from arc_core.experiments.events import event
from arc_core.experiments.runs import Runs
from arc_core.gate.panel import read_cases
from arc_core.provenance.canonical import canonical_json, sha256_of_file
from arc_core.provenance.ledger import Actor
from arc_core.report.sealed import figures_of, section_of_test_part
from tests.arc_core.report.pages import Page


@pytest.fixture
def sealed(memory, study):
    """The study, as if all of its images were another one's test part."""
    part = sealed_from(dataset_of(study), None, 0, "patient")
    split = study.split | {"sealed": part.model_dump(mode="json")}
    return memory.register_study(study.model_copy(update={"id": "study-sealed", "split": split}))


def opened(memory, sealed, number: int, **said) -> None:
    facts = {"number": number, "experiment": "exp-1", "plan": "", "threshold": ""}
    inputs = {"test": sealed.split["sealed"]["sha256"]}
    memory.ledger.append(
        event("testset.opened", sealed.id, Actor(name="Ada"), inputs=inputs, facts=facts, **said)
    )


def test_a_study_without_one_says_so(memory, study, home):
    assert "None was set apart" in section_of_test_part(memory, study, home)


def test_an_opening_that_came_to_nothing_is_told_and_has_no_figures(memory, sealed, home):
    opened(memory, sealed, 1, reason="it was cut off")
    section = section_of_test_part(memory, sealed, home)
    assert "Opened 1 time<" in section
    assert "it was cut off" in section
    assert "Opening 1 has no figures: nothing was measured." in section


def test_what_an_older_arc_measured_has_the_planned_metrics_too(memory, study, sealed, home):
    """Its files have the cases and the evaluation alone."""
    cases = read_cases(memory, Runs(home / "runs"), memory.champion(study.id).id)
    found = evaluation_of(cases, sealed.task, threshold=0.5, groups=groups_of(dataset_of(study), sealed.task))
    path = home / "evaluations" / f"{sealed.id}-test-1.json"
    path.parent.mkdir()
    tree = {
        "opened": {"evaluation": found.model_dump(mode="json")},
        "cases": [case.model_dump(mode="json") for case in cases],
    }
    path.write_bytes(canonical_json(tree))
    opened(memory, sealed, 1, reason="the study is over")
    outputs = {f"evaluations/{path.name}": sha256_of_file(path)}
    memory.ledger.append(event("eval.completed", sealed.id, outputs=outputs, facts={"opening": 1}))
    rows = {row[0]: row[1] for row in Page(section_of_test_part(memory, sealed, home)).rows if len(row) == 2}
    metrics = metrics_of(cases, sealed.task)
    assert metrics["mean_dice"].patients < FEWEST
    assert rows["mean Dice"] == f"{metrics['mean_dice'].value:.3f}"
    assert rows["AUC"] == f"{metrics['auc'].value:.3f}"
    at_threshold = rows["sensitivity at the locked threshold 0.5000"]
    assert at_threshold.split() == str(found.classification.confusion.sensitivity).split()
    path.write_bytes(b"{}")
    section = section_of_test_part(memory, sealed, home)
    assert "has changed: no figure of it holds" in section
    assert rows["mean Dice"] not in section


def test_so_few_patients_have_no_interval(memory, study, home):
    cases = read_cases(memory, Runs(home / "runs"), memory.champion(study.id).id)
    few = [case for case in cases if case.patient_id in {each.patient_id for each in cases[: FEWEST - 2]}]
    found = evaluation_of(few, study.task, threshold=0.5)
    named = figures_of(metrics_of(few, study.task), found, study.task)
    assert "[" not in named["mean Dice"]
    assert "[" not in named["AUC"]
    wilson = named["sensitivity at the locked threshold 0.5000"]
    assert wilson == str(found.classification.confusion.sensitivity), "it holds of any number"
