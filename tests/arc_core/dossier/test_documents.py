"""What the documents say of a real cycle, and that they say nothing that they have no source for."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import delete, select, update

from arc_core.data.sealed import Sealed
from arc_core.dossier.document import WORDING
from arc_core.dossier.documents.development import development_report, experiments_sheet
from arc_core.dossier.documents.gap_report import NOT_DEMONSTRABLE, gaps_of
from arc_core.dossier.documents.maps import MAPS, items_of
from arc_core.dossier.documents.model_card import card_json
from arc_core.dossier.documents.pccp import impact_assessment
from arc_core.dossier.edition import edition_of
from arc_core.dossier.export import DOCUMENTS
from arc_core.dossier.facts import Opening
from arc_core.dossier.intended_use import NOT_PROVIDED, IntendedUse, questions
from arc_core.dossier.markdown import markdown_of
from arc_core.experiments import tables as t

MEASURED = re.compile(r"\d\.\d+ \[[^\]]*\]")


def markdown(document, facts) -> str:
    return markdown_of(document, edition_of(facts), facts.evaluations.known)


@pytest.fixture
def facts(gathered):
    return gathered()


@pytest.mark.parametrize("place", range(len(DOCUMENTS)))
def test_every_number_with_an_interval_names_an_evaluation_of_the_ledger(facts, place):
    text = markdown(DOCUMENTS[place](facts), facts)
    for found in MEASURED.finditer(text):
        source = re.match(r"\N{NO-BREAK SPACE}\(([0-9a-f]{8})\)", text[found.end() :])
        assert source, text[found.start() - 60 : found.end() + 20]
        assert any(sha256.startswith(source[1]) for sha256 in facts.evaluations.known)


@pytest.mark.parametrize("place", range(len(DOCUMENTS)))
def test_every_document_says_what_it_is_and_claims_nothing(facts, place):
    text = markdown(DOCUMENTS[place](facts), facts)
    assert WORDING in text
    assert "SIMULATED DATA" in text
    assert not re.search(r"compliant|\bapproved\b|ground truth", text, re.IGNORECASE)


def test_a_test_part_that_was_trained_on_before_is_a_gap(facts):
    part = {"root": "/", "share": 0.2, "seed": 0, "by": "patient", "sha256": "", "image_sha256": ()}
    for before in ({}, {"study-1": 3}):
        sealed = Sealed(images=9, patients=9, trained_before=before, **part)
        told = gaps_of(replace(facts, split=facts.split.model_copy(update={"sealed": sealed})))
        said = [gap.what for gap in told if gap.field == "test part"]
        assert said == [f"it was not unseen: {name} had trained on images of it" for name in before]


def test_figures_are_those_of_the_store(facts, memory, study):
    champion = memory.champion(study.id)
    lines = markdown(development_report(facts), facts).splitlines()
    row = next(line for line in lines if line.startswith("| \\#") and champion.id in line)
    assert f"{champion.outcome.result.metrics[study.metric].value:.3f} [" in row
    card = card_json(facts)["performance"]["out-of-fold"]
    assert card["AUC"]["value"] == pytest.approx(champion.outcome.result.metrics["auc"].value)
    assert card["AUC"]["evaluation"] == facts.evaluations.of(champion.id)


def test_failed_and_abandoned_runs_are_all_told_with_their_reasons(gathered, memory, study):
    champion = memory.champion(study.id)
    with memory.database.write() as db:
        others = list(db.scalars(select(t.experiments.c.id).where(t.experiments.c.number > 1)))
        for status, name in zip(("failed", "withdrawn"), others, strict=False):
            for table in (t.verdicts, t.results):
                db.execute(delete(table).where(table.c.experiment_id == name))
            state = {"status": status, "reason": f"why it {status} | *so*"}
            db.execute(update(t.experiments).where(t.experiments.c.id == name).values(state))
    facts = gathered()
    text = markdown(development_report(facts), facts)
    assert len(others) >= 2
    assert "why it failed \\| \\*so\\*" in text
    assert "abandoned before it was trained" in text
    head, rows = experiments_sheet(facts)
    told = {row[head.index("experiment")]: dict(zip(head, row, strict=True)) for row in rows}
    assert told.keys() == {champion.id, *others}
    assert told[others[0]]["status"] == "failed"
    assert told[others[0]]["reason"] == "why it failed | *so*"
    assert told[champion.id]["evaluation_sha256"] == facts.evaluations.of(champion.id)


def test_without_patient_ids_disjointness_is_not_demonstrable(facts, memory, study):
    from dataclasses import replace

    from arc_core.dossier.documents.split import leakage_report, split_manifest

    assert NOT_DEMONSTRABLE not in markdown(leakage_report(facts), facts)
    unknown = replace(facts, dataset=facts.dataset.model_copy(update={"has_patient_ids": False}))
    assert NOT_DEMONSTRABLE in markdown(leakage_report(unknown), unknown)
    head, rows = split_manifest(unknown)
    assert {row[head.index("patient_id")] for row in rows} == {""}
    claim = next(item for item in items_of(unknown, MAPS[0]) if item.item == "20")
    assert (claim.status, claim.answered) == ("not available", "the data name no patients")


def test_a_person_s_words_stand_where_they_were_asked_for(gathered):
    use = IntendedUse.model_validate({"device": {"intended_use": "For <b>research</b> | only"}})
    facts = gathered(use)
    text = markdown(DOCUMENTS[1](facts), facts)
    assert "For &lt;b>research&lt;/b> \\| only" in text
    assert text.count(NOT_PROVIDED) > 10


def test_maps_have_every_item_and_point_at_what_there_is(facts):
    counts = {
        map_.file: len({re.match(r"[\d.]+", item.item)[0] for item in items_of(facts, map_)}) for map_ in MAPS
    }
    assert counts["claim2024"] == 44
    assert counts["stard_ai"] == 40
    assert counts["tripod_ai"] == 27
    assert counts["gmlp_map"] == 10
    names = {make(facts).name for make in DOCUMENTS}
    fields = {question.path for question in questions()}
    for map_ in MAPS:
        for item in items_of(facts, map_):
            pointer = item.evidence.removeprefix("intended_use.yaml: ")
            if item.status == "person":
                assert pointer in fields, item
            elif item.status == "auto" and map_.file != "part11_map":
                assert pointer in names or "." in pointer, item


def test_gmlp_gives_nothing_for_the_human_ai_team(facts):
    gmlp = next(map_ for map_ in MAPS if map_.file == "gmlp_map")
    statuses = {item.item: item.status for item in items_of(facts, gmlp)}
    assert statuses["7"] == "not available"
    assert statuses["2"] == statuses["6"] == "auto"


def test_a_change_is_held_against_the_original_and_the_last_version(facts):
    document = impact_assessment(facts)
    assert document.mark == "DRAFT"
    text = markdown(document, facts)
    assert "DRAFT" in text.splitlines()[0]
    if len(facts.accepted) > 1:
        assert "over the original" in text
        assert "over the last version" in text
    else:
        assert "there is nothing to compare it with" in text


def test_internal_testing_is_the_first_opening_that_came_to_figures(facts):
    """docs/dossier.md: what failed before is counted, and tells nothing of the model."""
    told, id_ = facts.history.events[-1], facts.experiment.id
    failed, first, later = (
        Opening(number=number, told=told, experiment_id=id_, threshold=None, found=found)
        for number, found in ((1, None), (2, facts.found), (3, facts.found))
    )
    assert replace(facts, openings=(failed,)).opened is None
    assert replace(facts, openings=(failed, first, later)).opened == first
