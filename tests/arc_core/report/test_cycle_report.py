"""The report of a cycle, made from a real result and opened in a real browser."""

import base64
import io
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select, update

from arc_core.experiments import tables
from arc_core.experiments.board import (
    OFFLINE,
    Alarm,
    Decision,
    DroppedLesson,
    Lesson,
    Proposal,
    Recollection,
    Review,
)
from arc_core.experiments.call import Call
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.memory import Memory
from arc_core.experiments.objectives import Objective
from arc_core.experiments.study import Study
from arc_core.gate.front import front_of
from arc_core.report.cycle import CycleReport, write_report
from tests.arc_core.report.pages import HOSTILE, Page, table, watched
from tests.browser import rendered
from tests.nvml import driver_here


def report_of(memory: Memory, study: Study, home: Path, lessons=(), **watched) -> CycleReport:
    """The report of the study's newest cycle."""
    cycle = memory.cycles(study.id)[-1]
    ids = tuple(e.id for e in memory.experiments(study.id) if e.outcome.cycle == cycle.number)
    return write_report(memory, study, cycle, ids, lessons, home, **watched)


def opened(report: CycleReport) -> Page:
    return Page(rendered(Path(report.summary.report).as_uri()))


def test_the_report_shows_the_cycle(memory, study, home):
    report = report_of(memory, study, home)
    page = opened(report)
    assert page.headings[0] == "ARC · cycle 1 · SIMULATED DATA"
    assert {"Champion", "This cycle's experiments", "Best so far", "What the board decided"} <= set(
        page.headings
    )
    shown = {row["experiment"].partition(",")[0]: row for row in table(page, "hypothesis")}
    for experiment in memory.experiments(study.id):
        assert shown[experiment.id]["mean Dice [95 %]"] == str(experiment.outcome.result.metrics["mean_dice"])


def test_the_control_is_named_compared_and_has_its_card(memory, study, home):
    report = report_of(memory, study, home)
    page = opened(report)
    (control,) = [row for row in report.summary.rows if row.arm == "control"]
    shown = {row["experiment"]: row["verdict"] for row in table(page, "hypothesis")}
    assert shown[f"{control.experiment_id}, control"] == control.verdict
    assert [name for name in shown if "," in name] == [f"{control.experiment_id}, control"]
    (decided,) = [row for row in table(page, "proposal") if row["by"] == "control"]
    assert decided["outcome"].endswith("runs as control")
    assert {"Board against control", "Scorecards"} <= set(page.headings)
    assert "Too few to tell: 1 of the board, 1 of the control" in report.markdown
    cards = {row["role"]: row for row in table(page, "in forecast")}
    assert set(cards) == {"architect", "explorer", "parameter_scientist", "control"}
    assert (cards["control"]["proposals"], cards["explorer"]["improved"]) == ("1", "–")
    judges = {row["role"]: row for row in table(page, "vetoes right")}
    assert set(judges) == {"critic", "critic_secondary", "supervisor"}
    assert {row["reviews"] for row in judges.values()} == {str(len(table(page, "proposal")))}


def with_study(memory: Memory, study: Study, **dataset: object) -> Study:
    """The study as it would be on such a dataset."""
    return memory.register_study(study.model_copy(update={"dataset": study.dataset | dataset}))


@pytest.mark.parametrize(
    ("known", "cohort", "unit"),
    [
        (True, "12 images of 9 patients", "patient"),
        (False, "12 images, patients unknown: each image counted as one", "image"),
    ],
)
def test_patients_are_counted_only_where_they_are_known(memory, study, home, known, cohort, unit):
    study = with_study(memory, study, has_patient_ids=known)
    report = report_of(memory, study, home)
    facts = dict(row for row in opened(report).rows if len(row) == 2)
    assert report.summary.cohort == cohort
    assert facts["data"].endswith(cohort)
    assert f"folds by {unit}" in facts["split"]
    assert ("not demonstrable" in facts["split"]) == (not known)
    assert facts["primary metric"].endswith(f"interval by {unit}")


def test_the_champion_is_no_promise_for_new_patients(memory, study, home):
    text = report_of(memory, study, home).markdown
    assert "single fold models, each on the cases held out from it" in text
    finished = [e for e in memory.experiments(study.id) if e.outcome.result]
    assert len(finished) > 1
    assert f"chosen among {len(finished)} experiments on these same cases, so expect less" in text
    assert "Only what the gate promotes is called an improvement" in text


def test_what_was_carried_out_otherwise_than_asked_is_told(memory, study, home):
    deviation = "micro-batch 16 → 8: out of memory"
    with memory.database.write() as db:
        first = db.execute(select(tables.results)).first()
        body = {**first.body, "deviations": [deviation]}
        this = tables.results.c.experiment_id == first.experiment_id
        db.execute(update(tables.results).where(this).values(body=body))
    number = memory.experiment(first.experiment_id).number
    assert f"- **#{number} deviation:** {deviation}" in report_of(memory, study, home).markdown


def test_the_board_s_doubts_are_shown(memory, study, home):
    (first,) = memory.cycles(study.id)
    proposal, decision = memory.kept(first.id, Proposal)[0], memory.kept(first.id, Decision)[0]
    memory.end_cycle(first.id)
    second = memory.begin_cycle(study.id)
    doubted = proposal.model_copy(update={"id": "doubted", "name": "epochs 2"})
    review = Review(
        proposal_id="doubted",
        reviewer="critic",
        decision="revise",
        confidence=0.9,
        risk="high",
        reasons=("too short",),
        suggested_changes={"epochs": 15},
    )
    tally = {"controversial": True, "agreement": 0.55, "entropy_bits": 1.25}
    held = decision.model_copy(
        update={
            "proposal_id": "doubted",
            "outcome": "revise",
            "selected": False,
            "tally": decision.tally.model_copy(update=tally),
            "ruling": decision.ruling.model_copy(update={"decision": "revise", "overrides_consensus": True}),
        }
    )
    memory.keep(second.id, [doubted])
    other = {
        "reviewer": "critic_secondary",
        "decision": "approve",
        "reasons": ("fine",),
        "suggested_changes": {},
    }
    memory.keep(second.id, [review, review.model_copy(update=other)])
    memory.keep_decisions(second, [held], {"doubted": doubted})
    report = report_of(memory, study, home)
    (row,) = table(opened(report), "proposal")
    assert row["agreement, entropy"] == "55 %, 1.25 bit, controversial"
    assert "**epochs 2:** the supervisor's revise overrides agreeing critics" in report.markdown
    assert "**epochs 2:** critic suggests epochs 15" in report.markdown
    differ = "the critics differ: the first says revise (too short), the second approve (fine)"
    assert f"**epochs 2:** {differ}" in report.markdown
    assert (
        "cycles in a row without a new best value 0, with a worse one than the cycle before 0"
        in report.markdown
    )


def test_what_was_asked_of_models_is_told_with_what_became_of_it(memory, study, home):
    (cycle,) = memory.cycles(study.id)
    assert "Language models in this cycle" not in report_of(memory, study, home).markdown
    asked = Call(role="critic", model="some/model", outcome="answered", prompt="?", tokens_in=1200, seconds=2)
    memory.calls.keep(cycle.id, asked)
    memory.calls.keep(cycle.id, Call(role="director", model=OFFLINE, outcome="offline", reason=HOSTILE))
    lesson = DroppedLesson(text="This reached 0.99", reason="0.99 is not a number of exp-1")
    memory.keep(cycle.id, [Recollection(mind="some/model", dropped=(lesson,))])
    report = report_of(memory, study, home)
    critic, director = table(opened(report), "what became of it")
    assert (critic["tokens in, out"], critic["USD"], critic["seconds"]) == ("1,200, 0", "0.0000", "2.0")
    assert (director["role"], director["model"], director["seconds"]) == ("director", "offline", "–")
    assert director["why"].startswith("wider | deeper <script>")
    assert "1 was dropped" in report.markdown
    assert "“This reached 0.99”: 0.99 is not a number of exp-1" in report.markdown


def test_alarms_and_forbidden_ranges_name_their_experiments(memory, study, home):
    ids = tuple(f"exp-{i}" for i in range(14))
    alarm = Alarm(watchdog="mode_collapse", text=HOSTILE, experiment_ids=ids)
    learned = ForbiddenRange(
        path="optimiser.lr", low=5e-3, high=1e-2, taught_by="exp-7", when={"optimiser.name": "adamw"}
    )
    report = report_of(memory, study, home, alarms=(alarm,), forbidden=(learned,))
    page = opened(report)
    assert "Watchdogs" in page.headings
    assert "script" not in page.tags
    assert page.links == [f"../{study.id}.html"]
    section = report.markdown.partition("## Watchdogs")[2].partition("\n## ")[0]
    first, second = (line for line in section.splitlines() if line.startswith("- "))
    assert first.startswith("- **mode collapse:** wider")
    assert first.endswith("`exp-12`, `exp-13` and 2 before)")
    assert "`exp-1`" not in first
    assert second == (
        "- **forbidden from now on:** learning rate from 0.005 to 0.01 with optimiser adamw, "
        "taught by `exp-7`"
    )
    assert "Watchdogs" not in report_of(memory, study, home).markdown


def test_every_picture_is_whole(memory, study, home):
    page = opened(report_of(memory, study, home))
    assert len(page.pictures) == 3  # the champion's overlay, the learning curves, best so far
    for address in page.pictures:
        kind, _, content = address.partition(",")
        assert kind in ("data:image/png;base64", "data:image/jpeg;base64")
        with Image.open(io.BytesIO(base64.b64decode(content, validate=True))) as picture:
            picture.load()
            assert min(picture.size) > 100


OBJECTIVES = {"mean_dice": Objective(), "vcdr_mae": Objective()}


def test_the_front_is_shown_with_its_members_and_its_volume(memory, study, home):
    report = report_of(memory, study, home, objectives=OBJECTIVES)
    page = opened(report)
    assert "Several objectives" in page.headings
    assert len(page.pictures) == 4
    front = front_of(memory.outcomes(study.id), OBJECTIVES)
    rows = table(page, "vCDR MAE [95 %]")
    assert {row["#"] for row in rows} == {str(each.number) for each in front.at("front")}
    named = {experiment.id: experiment for experiment in memory.experiments(study.id)}
    for row in rows:
        found = named[row["experiment"].partition(",")[0]]
        assert row["vCDR MAE [95 %]"] == str(found.outcome.result.metrics["vcdr_mae"])
    assert f"**Hypervolume {front.volumes[-1].value:.3f}** after this cycle" in report.markdown
    assert "(mean Dice 0, vCDR MAE 1)" in report.markdown
    assert "for the gate a gain is one in mean Dice alone, within its limits" in report.markdown


def test_the_front_says_what_it_leaves_aside_and_whom_it_keeps_off(memory, study, home):
    unreachable = {"mean_dice": Objective(constraint=1.0), "dri": Objective()}
    text = report_of(memory, study, home, objectives=unreachable).markdown
    assert "Nothing was measured in DRI here" in text
    assert "No experiment is on the front" in text
    assert "3 off the front for breaking a constraint: #1 (mean Dice 0." in text
    assert "Several objectives" not in report_of(memory, study, home).markdown


def test_text_from_records_is_inert(memory, study, home):
    (first,) = memory.cycles(study.id)
    proposal, decision = memory.kept(first.id, Proposal)[0], memory.kept(first.id, Decision)[0]
    assert proposal.id == decision.proposal_id
    evil = proposal.model_copy(
        update={
            "id": "evil",
            "name": HOSTILE,
            "hypothesis": HOSTILE,
            "justification": HOSTILE,
            "changes": {"architecture.name": HOSTILE},
            "rests_on": ("exp-0",),
            "spec": proposal.spec.model_copy(update={"seed": 77}),
        }
    )
    second = memory.begin_cycle(study.id)
    memory.keep(second.id, [evil])
    selected = decision.model_copy(update={"proposal_id": "evil", "selected": True, "reason": HOSTILE})
    memory.keep_decisions(second, [selected], {"evil": evil})
    (made,) = [e for e in memory.experiments(study.id) if e.proposal_id == "evil"]
    memory.keep_failure(made.id, HOSTILE)

    lessons = [Lesson(text=HOSTILE, experiment_ids=("exp-0",))]
    plain = report_of(memory, study, home)
    page = opened(report_of(memory, study, home, lessons))

    text = " ".join(HOSTILE.split())
    assert page.title == "ARC · cycle 2"
    assert "script" not in page.tags
    assert page.links == [f"../{study.id}.html"]
    assert len(page.pictures) == 2  # overlay and best so far: no curves of a failed training
    assert all(address.startswith("data:image/") for address in page.pictures)
    (row,) = table(page, "hypothesis")
    assert (row["experiment"], row["hypothesis"], row["verdict"]) == (made.id, text, "failed")
    assert row["what changed"] == f"architecture.name {text}"
    (row,) = table(page, "proposal")
    assert row["proposal"] == row["why"] == text
    assert "no heading" not in " ".join(page.headings)
    assert plain.summary.rows[0].reason == text


def test_a_report_without_experiments(memory, study, home):
    fresh = study.model_copy(update={"id": "study-without-any"})
    memory.register_study(fresh)
    memory.begin_cycle(fresh.id)
    report = report_of(memory, fresh, home, objectives=OBJECTIVES)
    page = opened(report)
    assert page.headings[0].startswith("ARC · cycle 1")
    assert "Several objectives" in page.headings
    assert page.pictures == []
    assert "No experiment was trained" in report.markdown


def test_a_cycle_without_a_gpu_says_so(memory, study, home):
    if driver_here():
        pytest.skip("this machine has an NVIDIA driver")
    page = opened(report_of(memory, study, home))
    assert "GPUs" in page.headings
    assert "No GPU: trained on the CPU." in report_of(memory, study, home).markdown


def test_the_gpus_are_plotted_with_their_jobs_and_held_against_the_target(memory, study, home):
    before = len(opened(report_of(memory, study, home)).pictures)
    watched(memory, study, simulated=False, fault="GPU 1: it is <b>lost</b>")
    report = report_of(memory, study, home)
    page = opened(report)
    first, second = table(page, "share of time with one")
    numbers = [f"#{experiment.number}" for experiment in memory.experiments(study.id)]
    assert first["experiments"] == ", ".join(numbers)
    assert (first["mean utilisation with one"], first["over all"]) == ("90.0 %", "90.0 %")
    assert (second["experiments"], second["mean utilisation with one"], second["over all"]) == (
        "–",
        "–",
        "30.0 %",
    )
    assert "in use 90.0 % of the time on average: the target of 85 % is met." in report.markdown
    assert (
        "1 of 12 readings of the GPUs failed, the first because: GPU 1: it is &lt;b>lost" in report.markdown
    )
    assert len(page.pictures) == before + 1
    assert "GPUs" in page.headings
    assert "SIMULATED" not in report.markdown.partition("## GPUs")[2].partition("## Best")[0]


def test_simulated_gpus_are_marked_in_heading_and_text(memory, study, home):
    watched(memory, study, simulated=True)
    report = report_of(memory, study, home)
    assert "GPUs · SIMULATED" in opened(report).headings
    assert "no such GPU exists and nothing was trained on one" in report.markdown
