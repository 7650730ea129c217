"""How the champion does at each site, and what of the split the pages tell."""

import itertools

import pytest

from arc_core.data.leakage import METHOD, Leakage, Pair
from arc_core.data.study import dataset_of, split_of
from arc_core.experiments.result import CASES
from arc_core.experiments.runs import Runs
from arc_core.gate.bootstrap import measure
from arc_core.gate.panel import read_cases
from arc_core.report.cycle import write_report
from arc_core.report.front import told_of_front
from arc_core.report.sites import by_site
from arc_core.report.standing import standing_of
from arc_core.report.study import write_study_report
from arc_core.report.summary import printable, split_in_words
from tests.arc_core.report.pages import HOSTILE, Page, table


def at(study, *sites):
    """The study with other sites: one for each image in their order, over and over."""
    cases = zip(study.dataset["cases"], itertools.cycle(sites), strict=False)
    dataset = study.dataset | {"cases": [case | {"site": site} for case, site in cases]}
    return study.model_copy(update={"dataset": dataset})


def on(study, leakage=None, **split):
    """The study with another split, and what was found of it."""
    split |= {"leakage": leakage and leakage.model_dump(mode="json")}
    return study.model_copy(update={"split": study.split | split})


def words(study) -> str:
    return split_in_words(split_of(study), dataset_of(study))


def pages(memory, study, home) -> list[Page]:
    """The study's page, whose evaluation has sites among its subgroups, and its cycle's."""
    cycle = memory.cycles(study.id)[-1]
    ids = tuple(experiment.id for experiment in memory.experiments(study.id))
    report = write_report(memory, study, cycle, ids, (), home)
    front = told_of_front(memory, study, {}, cycle=cycle.number)
    index = write_study_report(memory, study, home, standing_of(memory, study), front)
    return [Page(path.read_text()) for path in (index, home / report.summary.report)]


def test_each_site_has_the_value_of_its_own_cases(memory, study, home):
    champion, runs = memory.champion(study.id), Runs(home / "runs")
    site_of = {case.image_id: case.site for case in dataset_of(study).cases}
    rows = by_site(memory, study, dataset_of(study), runs, champion)
    assert [row.site for row in rows] == ["site-alpha", "site-beta"]
    for row in rows:
        own = [case for case in read_cases(memory, runs, champion.id) if site_of[case.image_id] == row.site]
        assert row.estimate == measure(own, "segmentation")["mean_dice"]
        assert (row.images, row.patients) == (len(own), len({case.patient_id for case in own}))
        assert row.is_small
    for page in pages(memory, study, home)[1:]:
        shown = table(page, "site")
        assert [row["mean Dice [95 %]"] for row in shown] == [str(row.estimate) for row in rows]
        assert [row["site"] for row in shown] == ["site-alpha · few", "site-beta · few"]
        assert [row["patients"] for row in shown] == [str(row.patients) for row in rows]


def test_images_without_a_site_come_last_and_one_class_has_no_auc(memory, study, home):
    labels = [case["label"] for case in study.dataset["cases"]]
    mixed = at(study, *(None if label else "z" for label in labels)).model_copy(update={"metric": "auc"})
    rows = by_site(memory, mixed, dataset_of(mixed), Runs(home / "runs"), memory.champion(study.id))
    assert [(row.site, row.estimate) for row in rows] == [("z", None), (None, None)]
    for page in pages(memory, mixed, home)[1:]:
        assert [row["site"] for row in table(page, "site")] == ["z · few", "not given · few"]
        assert {row["AUC [95 %]"] for row in table(page, "site")} == {"–"}


def test_a_site_s_name_is_text(memory, study, home):
    for page in pages(memory, at(study, HOSTILE), home)[1:]:
        (row,) = table(page, "site")
        assert row["site"] == f"{printable(HOSTILE)} · few"


def test_without_sites_or_without_the_recorded_cases_there_is_no_table(memory, study, home):
    runs, champion, dataset = Runs(home / "runs"), memory.champion(study.id), dataset_of(study)
    assert by_site(memory, study, dataset_of(at(study, None)), runs, champion) == ()
    assert by_site(memory, study, dataset, runs, None) == ()
    runs.path(champion.id, CASES).write_text("[]")
    assert by_site(memory, study, dataset, runs, champion) == ()
    for page in pages(memory, study, home):
        assert not any("site" in row for row in page.rows)


@pytest.mark.parametrize("by", ["patient", "site"])
def test_what_a_site_s_figure_is_worth_depends_on_the_split(memory, study, home, by):
    pages(memory, on(study, by=by), home)
    (page,) = (home / "report").glob(f"{study.id}/cycle-*.html")
    text = page.read_text()
    assert ("Each site was held out whole." in text) == (by == "site")
    assert ("on a new one, expect less" in text) == (by == "patient")


def test_the_pages_tell_what_was_looked_for(memory, study, home):
    assert split_of(study).leakage.images == 12
    for page in pages(memory, study, home):
        facts = dict(row for row in page.rows if len(row) == 2)
        assert (
            facts["split"]
            == "2 folds by patient; no near-duplicates of different patients were found among its 12 images"
        )


def test_what_was_found_and_what_was_never_looked_for_is_told(study):
    pairs = tuple(Pair(one=f"a{n}", other=f"b{n}", bits=8, correlation=0.9, mirrored=False) for n in range(5))
    found = Leakage(method=METHOD, images=12, max_bits=60, min_correlation=0.8, pairs=pairs)
    said = "near-duplicates under two patients, each pair in one fold: a0 and b0, a1 and b1, a2 and b2"
    assert words(on(study, found)).endswith(f"{said} and 2 more pairs")
    assert words(on(study)).endswith("near-duplicates were not looked for when it was frozen")


def test_a_split_by_site_says_so_without_patient_ids_too(study):
    anonymous = on(study, by="site")
    anonymous = anonymous.model_copy(update={"dataset": anonymous.dataset | {"has_patient_ids": False}})
    assert words(anonymous).startswith("2 folds by site; without patient ids, patient-level disj")
