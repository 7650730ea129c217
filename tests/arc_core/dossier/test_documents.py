"""What the documents say of a real cycle, and that they say nothing that they have no source for."""

import re
from collections import defaultdict
from dataclasses import replace
from statistics import mean

import pytest
from sqlalchemy import delete, select, update

from arc_core.data.sealed import Sealed
from arc_core.dossier.document import WORDING
from arc_core.dossier.documents.development import development_report
from arc_core.dossier.documents.experiments import experiments_sheet, trainings_sheet
from arc_core.dossier.documents.gap_report import NOT_DEMONSTRABLE, gaps_of
from arc_core.dossier.documents.maps import MAPS, items_of, map_sheet
from arc_core.dossier.documents.model_card import card_json
from arc_core.dossier.documents.pccp import impact_assessment, modification_protocol
from arc_core.dossier.edition import edition_of
from arc_core.dossier.export import DOCUMENTS
from arc_core.dossier.facts import Opening
from arc_core.dossier.intended_use import NOT_PROVIDED, IntendedUse, questions
from arc_core.dossier.markdown import markdown_of
from arc_core.dossier.model import words_of
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
    assert f"{champion.outcome.result.metrics[study.metric].value:.3f}" in row
    assert "[" not in row, "of so few patients no interval is printed"
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


def dicts(sheet) -> list[dict]:
    head, rows = sheet
    return [dict(zip(head, row, strict=True)) for row in rows]


def test_a_gain_is_the_difference_between_what_the_sheet_of_trainings_has(facts, study):
    values = defaultdict(list)
    for row in dicts(trainings_sheet(facts)):
        assert row["evaluation_sha256"] == facts.evaluations.of(row["training"])
        values[row["experiment"]].append(row[study.metric])
    compared = [row for row in dicts(experiments_sheet(facts)) if row["compared_with"]]
    assert compared
    for row in compared:
        ours, theirs = values[row["experiment"]], values[row["compared_with"]]
        assert (row["trainings"], row["champion_trainings"]) == (len(ours), len(theirs))
        assert row["gain"] == pytest.approx(mean(ours) - mean(theirs))
    text = markdown(development_report(facts), facts)
    for each in facts.accepted[0].trainings:
        assert facts.evaluations.of(each.id)[:8] in text


def test_a_gain_tells_what_its_interval_misses(facts):
    text = markdown(development_report(facts), facts)
    rows = [row for row in dicts(experiments_sheet(facts)) if row["gain"]]
    assert rows
    for row in rows:
        assert row["level"] == pytest.approx(1 - row["allowance"] - 0.025)
        assert 0 <= row["p_value"] <= 1
        assert f"| {100 * row['level']:.4g} % |" in text
    assert "Its brackets are no 95 % interval but the gate's" in text


def judged(facts, **told):
    """The facts with these fields in the verdict of every challenger."""
    tried = [
        each.model_copy(update={"verdict": each.verdict.model_copy(update=told)})
        if each.verdict.champion_id
        else each
        for each in facts.tried
    ]
    return replace(facts, tried=tuple(tried))


def test_further_seeds_are_told_of_where_there_were_some(facts):
    one, several = ("exp-1",), ("exp-1", "exp-2", "exp-3")
    none = judged(facts, trainings=one, champion_trainings=several)
    count = facts.comparisons
    assert f"the champion had some in {count} of {count} comparisons, the challenger in none" in markdown(
        development_report(none), none
    )
    both = judged(facts, trainings=several, champion_trainings=several)
    assert f"the challenger in {count}." in markdown(development_report(both), both)


def test_the_gate_is_told_as_it_was_declared(facts):
    (told,) = facts.history.of("gate.declared", facts.study.id)
    unknown = facts.history.model_copy(
        update={"events": tuple(each for each in facts.history.events if each != told)}
    )
    for make in (development_report, modification_protocol):
        said = markdown(make(facts), facts).replace("\\", "")
        assert f"declared in event {told.number} of the ledger, before the study's first training." in said
        assert "gate.alpha=0.05, gate.chance=0.1, " in said
        assert "gate.least_dri=null" in said
        assert "declared nothing" in markdown(make(replace(facts, history=unknown)), facts)


def test_what_the_champion_was_chosen_among_is_counted_in_one_way(facts):
    unmeasured = facts.tried[-1].model_copy(update={"metrics": {}, "gain": None})
    lacking = replace(facts, tried=(*facts.tried[:-1], unmeasured))
    count = len(facts.tried)
    said = f"chosen among {count - 1} measured experiments, of {count} that were decided on"
    assert said in markdown(development_report(lacking), lacking)
    assert said in words_of(lacking)
    assert card_json(lacking)["chosen_among"] in said


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
            evidence, _, asked = item.evidence.partition("intended_use.yaml: ")
            assert set(asked.split(", ")) <= fields | {""}, item
            if map_.file != "part11_map":
                told = evidence.rstrip("; ").split(", ")
                assert all(each in names or "." in each or not each for each in told), item


def answers(facts, map_name, *wanted) -> dict[str, tuple[str, str]]:
    """Item → its status and answer."""
    map_ = next(each for each in MAPS if each.file == map_name)
    items = {item.item: (item.status, item.answered) for item in items_of(facts, map_)}
    return {item: items[item] for item in wanted}


def test_a_map_gives_no_evidence_where_the_record_has_the_opposite(facts):
    opened = "no test part was opened for this model"
    assert answers(facts, "gmlp_map", "4", "8") == {
        "4": ("not available", "no test part was set apart"),
        "8": ("not available", opened),
    }
    assert answers(facts, "tripod_ai", "16", "20c") == dict.fromkeys(("16", "20c"), ("not available", opened))
    assert answers(facts, "claim2024", "32", "31") == {
        "32": ("not available", opened),
        "31": ("not available", "relevance (DRI) was not measured"),
    }
    assert answers(facts, "stard_ai", "15c")["15c"][1] == "no threshold is locked for this model"
    assert answers(facts, "part11_map", "11.10(f)")["11.10(f)"][1] == "no analysis plan is locked"


def test_a_map_gives_evidence_once_there_is_some(facts):
    metrics = facts.result.metrics | {"dri": facts.result.metrics["auc"]}
    measured = replace(facts, result=facts.result.model_copy(update={"metrics": metrics}))
    assert answers(measured, "claim2024", "31")["31"] == ("auto", "evidence given")
    whole = {"root": "/", "share": 0.2, "seed": 0, "by": "patient", "sha256": "", "image_sha256": ()}
    sealed = Sealed(images=40, patients=40, trained_before={}, **whole)
    apart = replace(facts, split=facts.split.model_copy(update={"sealed": sealed}))
    assert answers(apart, "gmlp_map", "4")["4"] == ("auto", "evidence given")
    seen = sealed.model_copy(update={"trained_before": {"study-1": 3}})
    again = replace(facts, split=facts.split.model_copy(update={"sealed": seen}))
    assert answers(again, "gmlp_map", "4")["4"][0] == "not available"


def test_a_person_s_part_of_an_item_is_not_answered_by_arc_s(gathered):
    lacking = ("person", f"ARC's part is there, a person's {NOT_PROVIDED}")
    empty = gathered()
    assert answers(empty, "gmlp_map", "3", "5") == {"3": lacking, "5": lacking}
    assert answers(empty, "part11_map", "11.10(a)")["11.10(a)"] == lacking
    said = gathered(IntendedUse.model_validate({"organisation": {"system_validation": "CSV-7"}}))
    whole = ("auto", "evidence given, and provided by a person")
    assert answers(said, "part11_map", "11.10(a)")["11.10(a)"] == whole


def test_the_sheet_of_a_map_says_what_is_for_a_person_to_show(facts):
    gmlp = next(map_ for map_ in MAPS if map_.file == "gmlp_map")
    head, rows = map_sheet(facts, gmlp)
    notes = {row[0]: row[head.index("note")] for row in rows}
    assert notes["5"].startswith("For a person to show.")
    assert all(
        "fitness of the reference standard (5) are for a person to show" in each for each in notes.values()
    )


def test_gmlp_gives_nothing_for_the_human_ai_team(facts):
    found = answers(facts, "gmlp_map", "7", "2")
    assert found == {"7": ("person", NOT_PROVIDED), "2": ("auto", "evidence given")}


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
