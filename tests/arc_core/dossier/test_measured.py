"""How figures are told: beside what they were measured by, and without intervals that so few can't have."""

from dataclasses import replace

import pytest

from arc_core.data.sealed import Sealed
from arc_core.dossier.documents.gap_report import gap_report, gaps_of
from arc_core.dossier.documents.model_card import card_json, model_card
from arc_core.dossier.documents.split import leakage_report
from arc_core.dossier.documents.validation import out_of_fold, validation_report
from arc_core.dossier.edition import edition_of
from arc_core.dossier.facts import Opening, opening_subject
from arc_core.dossier.figure import Evaluations
from arc_core.dossier.markdown import markdown_of
from arc_core.dossier.plots import plots_of
from arc_core.evaluation.few import FEWEST, in_group
from arc_core.evaluation.subgroups import Subgroup
from arc_core.experiments.metric import Estimate

TIGHT = Estimate(value=0.949, low=0.949, high=0.949, patients=1)


def markdown(document, facts) -> str:
    return markdown_of(document, edition_of(facts), facts.evaluations.known)


def group(**said) -> Subgroup:
    told = {
        "grouping": "site",
        "name": "north",
        "images": 40,
        "patients": 40,
        "positives": 20,
        "small": False,
    }
    return Subgroup.model_validate(told | {"metrics": {"disc_dice": TIGHT, "auc": TIGHT}} | said)


@pytest.fixture
def facts(gathered):
    return gathered()


@pytest.fixture
def opened(facts):
    """As if a test part of 12 images had been opened once for it, with its out-of-fold cases."""

    def opened(times: int = 1):
        part = {"root": "/", "share": 0.2, "seed": 0, "by": "patient", "sha256": "", "image_sha256": ()}
        sealed = Sealed(images=12, patients=9, trained_before={}, **part)
        evaluations = Evaluations(
            facts.evaluations.known
            | {f"{number:064x}": opening_subject(facts.study.id, number) for number in range(1, times + 1)}
        )
        openings = tuple(
            Opening(
                number=number,
                told=facts.started,
                experiment_id=facts.experiment.id,
                threshold=0.5,
                found=facts.found,
                metrics=facts.result.metrics,
                cases=facts.cases,
            )
            for number in range(1, times + 1)
        )
        split = facts.split.model_copy(update={"sealed": sealed})
        return replace(facts, split=split, openings=openings, evaluations=evaluations)

    return opened


@pytest.mark.parametrize(
    ("said", "metric", "firm"),
    [
        ({}, "disc_dice", True),
        ({"patients": FEWEST - 1}, "disc_dice", False),
        ({"positives": FEWEST - 1}, "disc_dice", True),
        ({"positives": FEWEST - 1}, "auc", False),
        ({"positives": 40 - FEWEST + 1}, "auc", False),
        ({"positives": FEWEST}, "auc", True),
    ],
)
def test_a_group_has_an_interval_where_enough_are_behind_it(said, metric, firm):
    assert in_group(group(**said), metric) == (TIGHT if firm else TIGHT.value)


def test_a_group_of_one_patient_is_printed_without_an_interval(facts):
    found = facts.found.model_copy(update={"subgroups": (group(images=1, patients=1, small=True),)})
    alone = replace(facts, found=found)
    for make in (validation_report, model_card):
        text = markdown(make(alone), alone)
        row = next(line for line in text.splitlines() if line.startswith("| site: north (too small)"))
        assert "| 0.949\N{NO-BREAK SPACE}(" in row
        assert "[" not in row
        assert f"No interval is printed of fewer than {FEWEST} patients" in text
        assert "how little is known" not in text
    (told,) = card_json(alone)["subgroups"]
    assert told["metrics"]["disc_dice"] == {"value": 0.949}


def test_figures_of_few_patients_have_no_interval_but_wilson_s(facts):
    own = out_of_fold(facts)
    few = {name: figure for name, figure in own.main().items() if not name.startswith(("sens", "spec"))}
    assert facts.found.patients < FEWEST
    assert all(figure.low is None for figure in few.values())
    shares = [figure for name, figure in own.main().items() if "at thresholds" in name]
    assert shares
    assert all(figure.low is not None for figure in shares)


def test_a_test_part_of_few_patients_is_a_gap(opened):
    told = {gap.field: gap.what for gap in gaps_of(opened())}
    assert told["size of the test part"] == "it has 9 patients: fewer than 20 tell little of a model"


def test_data_of_few_patients_are_a_gap(facts):
    patients = len({case.patient_id for case in facts.dataset.cases})
    told = {gap.field: gap.what for gap in gaps_of(facts)}
    assert told["size of the data"] == f"they have {patients} patients: fewer than 20 tell little of a model"
    cases = tuple(
        case.model_copy(update={"patient_id": f"p{n}"}) for n, case in enumerate(facts.dataset.cases * 20)
    )
    many = replace(facts, dataset=facts.dataset.model_copy(update={"cases": cases}))
    assert "size of the data" not in {gap.field for gap in gaps_of(many)}


def test_one_gap_is_no_gaps(facts, monkeypatch):
    from arc_core.dossier.documents import gap_report as module

    only = gaps_of(facts)[:1]
    monkeypatch.setattr(module, "_of_record", lambda _: only)
    assert "the record itself has 1 gap." in markdown(gap_report(facts), facts)


def test_figures_stand_beside_which_networks_gave_them(opened):
    facts = opened()
    folds = facts.split.folds
    text = markdown(validation_report(facts), facts)
    assert (
        f"the mean of the {folds} folds' networks, the model as it is used; the part was opened once" in text
    )
    assert "each image by the one network that was not trained on its fold" in text
    assert "openings in this study" not in text
    assert f"the mean of the {folds} folds' networks" in markdown(model_card(facts), facts)
    often = opened(3)
    assert "The part was opened 3 times in all" in markdown(validation_report(often), often)


def test_each_fold_has_its_threshold(facts):
    text = markdown(validation_report(facts), facts)
    confusion = facts.found.classification.confusion
    for fold, threshold in confusion.thresholds.items():
        assert f"fold {fold} {threshold:.3f}\N{NO-BREAK SPACE}(" in text


def test_labels_of_the_test_part_are_told_once_it_was_opened(opened):
    facts = opened()
    ill = sum(case.label == 1 for case in facts.cases)
    row = f"| test | 12 | 9 | {ill} | {12 - ill} |"
    assert row in markdown(leakage_report(facts), facts)
    shut = replace(facts, openings=())
    assert "| test | 12 | 9 | sealed | sealed |" in markdown(leakage_report(shut), shut)


@pytest.mark.parametrize(("patients", "band"), [(FEWEST - 1, False), (None, True)])
def test_the_roc_of_few_has_no_band(facts, patients, band):
    """As none of the figures along it has an interval."""
    scores = facts.found.classification.model_copy(update={"positives": 2 * FEWEST})
    many = {"patients": patients or 4 * FEWEST, "images": 4 * FEWEST, "classification": scores}
    found = facts.found.model_copy(update=many)
    (drawn,) = [each for each in plots_of(found, facts.cases, "0" * 64, "p") if each.name == "p_roc.png"]
    assert ("pointwise 95 % band" in drawn.caption) is band
    assert ("no band is drawn" in drawn.caption) is not band
