"""The champion's evaluation on the study's page."""

import json

import pytest
from pydantic import TypeAdapter
from sqlalchemy import select, update

from arc_core.errors import ArcError
from arc_core.evaluation.evaluation import Evaluation
from arc_core.experiments import tables
from arc_core.experiments.result import CASES, Case
from arc_core.experiments.runs import Runs
from arc_core.gate.panel import read_cases
from arc_core.provenance.canonical import sha256_of_file
from arc_core.report import evaluation
from arc_core.report.evaluation import KEPT
from arc_core.report.standing import standing_of
from arc_core.report.study import write_study_report
from tests.arc_core.report.pages import Page, table
from tests.browser import driven


def written(memory, study, home) -> str:
    return write_study_report(memory, study, home, standing_of(memory, study), {"front": None}).read_text()


def section_of(html: str) -> str:
    return html[html.index('<h2 id="evaluation">') : html.index('<h2 id="overlays">')]


def rows_of(html: str) -> dict[str, list[str]]:
    return {row[0]: row[1:] for row in Page(section_of(html)).rows if row}


@pytest.fixture
def champion(memory, study):
    return memory.champion(study.id)


@pytest.fixture
def put(memory, home, champion):
    """Have other cases be the champion's, as recorded."""

    def recorded(cases: list[Case]) -> None:
        path = home / "runs" / champion.id / CASES
        path.write_bytes(TypeAdapter(list[Case]).dump_json(cases))
        this = tables.results.c.experiment_id == champion.id
        with memory.database.write() as db:
            files = db.scalar(select(tables.results.c.files).where(this))
            files = files | {CASES: sha256_of_file(path)}
            db.execute(update(tables.results).where(this).values(files=files))

    return recorded


@pytest.fixture
def cases(memory, home, champion) -> list[Case]:
    return list(read_cases(memory, Runs(home / "runs"), champion.id))


def test_a_segmentation_shows_what_was_measured_and_that_it_is_no_test_set(memory, study, home, champion):
    html = written(memory, study, home)
    rows, metrics = rows_of(html), champion.outcome.result.metrics
    assert "Out-of-fold, not a test set:" in section_of(html)
    assert rows["Dice, mean"] == [str(metrics["disc_dice"]), str(metrics["cup_dice"])]
    assert rows["vCDR, mean absolute error"] == [str(metrics["vcdr_mae"])]
    assert rows["AUC"] == [str(metrics["auc"])]
    assert rows["surface Dice, mean, within 1.0 px"]
    assert "Evaluation of the champion · SIMULATED DATA" in Page(html).headings
    published = table(Page(section_of(html)), "beside this champion")
    assert published[0]["disc Dice"] == f"{metrics['disc_dice'].value:.3f}"
    assert len(published) == 8
    assert all(row["beside this champion"].startswith("not comparable: ") for row in published[1:])


def test_groups_that_are_too_small_are_tagged(memory, study, home):
    groups = table(Page(section_of(written(memory, study, home))), "group")
    assert {row["group"] for row in groups} >= {"label: normal too small", "label: glaucoma too small"}
    assert sum(int(row["images"]) for row in groups if row["group"].startswith("label")) == 12


def test_a_classification_has_no_masks_to_tell_of(memory, study, home, cases, put):
    put([case.model_copy(update={"disc_dice": None, "outlines": None}) for case in cases])
    rows = rows_of(written(memory, study, home))
    assert "Dice, mean" not in rows
    assert rows["AUC"]


def test_cases_of_an_older_arc_have_no_distances(memory, study, home, cases, put):
    put([case.model_copy(update={"outlines": None}) for case in cases])
    html = written(memory, study, home)
    assert "95 % Hausdorff distance, mean, px" not in rows_of(html)
    assert "measured before ARC knew distances of outlines" in section_of(html)


def test_figures_that_contradict_each_other_are_not_shown(memory, study, home, cases, put):
    put([case.model_copy(update={"cup_dice": 1.0}) for case in cases])
    section = section_of(written(memory, study, home))
    assert "figures are inconsistent: the mean Dice of the cup is 1.000000" in section
    assert "<table>" not in section


def test_cases_that_are_not_the_recorded_ones_give_no_figures(memory, study, home, champion):
    (home / "runs" / champion.id / CASES).write_text("[]")
    html = written(memory, study, home)
    assert "has changed since it was recorded" in section_of(html)
    assert "Champion" in Page(html).headings


def test_figures_are_kept_while_they_rest_on_the_same_cases(memory, study, home, cases, put, monkeypatch):
    first = written(memory, study, home)
    kept = home / "report" / study.id / KEPT
    told = json.loads(kept.read_bytes())
    assert told["simulated"] is True
    assert Evaluation.model_validate(told["evaluation"]).images == 12

    def refused(*_, **__):
        raise ArcError("computed anew")

    monkeypatch.setattr(evaluation, "evaluation_of", refused)
    assert section_of(written(memory, study, home)) == section_of(first)
    kept.write_text("{}")
    assert "computed anew" in section_of(written(memory, study, home))
    monkeypatch.undo()
    assert section_of(written(memory, study, home)) == section_of(first)
    monkeypatch.setattr(evaluation, "evaluation_of", refused)
    put([case.model_copy(update={"vcdr": 0.5}) for case in cases])
    assert "computed anew" in section_of(written(memory, study, home))


def test_without_a_champion_there_is_nothing_to_evaluate(memory, study, home):
    fresh = memory.register_study(study.model_copy(update={"id": "study-without-any"}))
    memory.begin_cycle(fresh.id)
    written(memory, fresh, home)
    html = (home / "report" / f"{fresh.id}.html").read_text()
    assert "No experiment has been accepted yet." in section_of(html)


def test_each_plot_has_its_line_in_a_browser(memory, study, home):
    written(memory, study, home)
    with driven((home / "report" / "index.html").as_uri()) as page:
        assert page.complaints() == []
        panels = "[...document.querySelectorAll('#evaluation ~ .panels')][0]"
        captions = page.run(f"[...{panels}.querySelectorAll('figcaption')].map(each => each.textContent)")
        assert captions == [
            f"{name} · simulated"
            for name in ("Dice of the images", "ROC curve", "Reliability", "Decision curve")
        ]
        wide = "path => path.getBoundingClientRect().width > 100"
        assert page.run(
            f"[...{panels}.children].every(each => [...each.querySelectorAll('path')].some({wide}))"
        )
