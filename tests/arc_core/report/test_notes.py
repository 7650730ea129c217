"""What is told in Prefect's UI, from made-up records."""

import base64
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from arc_core.experiments.call import Call
from arc_core.experiments.loop import LoopConfig, LoopRequest
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Point, Verdict
from arc_core.report.curve_svg import HELD, TRAINING, learning_curve_svg
from arc_core.report.cycle_notes import champion_note, costs_note, plan_note
from arc_core.report.experiment_notes import approval_note, curve_note
from tests.contracts.records import RESULT, SPEC, STUDY, approve, decision, holding, proposal

NAN = float("nan")


@pytest.fixture
def memory(tmp_path):
    memory = Memory(f"sqlite:///{tmp_path / 'arc.db'}")
    memory.register_study(STUDY)
    yield memory
    memory.close()


def decided(memory: Memory, *seeds: int, waiting: int | None = None) -> list[str]:
    """Ids of what a new cycle approved; `waiting`: what it approved without a place for it."""
    cycle = memory.begin_cycle(STUDY.id)
    memory.keep(cycle.id, [proposal(seed) for seed in (*seeds, *([waiting] if waiting else []))])
    ids = approve(memory, *seeds)
    if waiting:
        late = decision(f"prop-{waiting}").model_copy(
            update={"selected": False, "reason": "no place is left"}
        )
        memory.keep_decisions(cycle, [late], {late.proposal_id: proposal(waiting)})
    return ids


def crowned(memory: Memory, experiment_id: str, over: str | None = None) -> None:
    memory.keep_result(experiment_id, RESULT)
    memory.keep_verdict(
        STUDY.id,
        Verdict(
            experiment_id=experiment_id,
            outcome="promote" if over else "baseline",
            metric="mean_dice",
            champion_id=over,
            effect=Estimate(value=0.1, low=0.05, high=0.2) if over else None,
            comparisons=1,
            reason="the whole interval lies above 0",
        ),
    )


def unescaped(text: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


def test_an_approval_tells_the_reason_the_cost_and_every_vote(memory):
    (id_,) = decided(memory, 1)
    note = approval_note(memory, id_)
    text = unescaped(note.text)
    assert text.startswith(f"# SIMULATED DATA · #1 {id_}: why it was approved")
    assert "**Changes** against the baseline: seed **1**" in text
    assert "**Expected:** about 1 s, 1 MiB" in text
    assert "**Proposed by** architect to explore: noise" in text
    assert "**critic approves** (weight 2, confidence 0.9)" in text
    assert "**supervisor approves** (weight 3, confidence 1)" in text


def test_a_curve_is_a_picture_of_every_fold():
    folds = [Point(fold=fold, epoch=epoch, train_loss=1 / epoch) for fold in (0, 1) for epoch in (1, 2, 3)]
    held = [Point(fold=0, epoch=4, train_loss=0.2, held_out_loss=0.3)]
    drawn = ElementTree.fromstring(learning_curve_svg([*folds, *held]))  # noqa: S314  # ARC's own
    strokes = [each.get("stroke") for each in drawn.iter() if each.tag.endswith("polyline")]
    assert strokes == [TRAINING, TRAINING]
    assert [each.get("fill") for each in drawn.iter() if each.tag.endswith("circle")] == [HELD]


def test_what_is_not_finite_is_not_drawn():
    diverged = Point(fold=0, epoch=2, train_loss=NAN, held_out_loss=NAN)
    assert learning_curve_svg([diverged]) is None
    svg = learning_curve_svg([Point(fold=0, epoch=1, train_loss=2.0), diverged])
    assert "nan" not in svg


def test_a_curve_tells_the_latest_losses_and_at_last_the_metric(memory):
    (id_,) = decided(memory, 1)
    curve = [
        Point(fold=0, epoch=1, train_loss=0.5, held_out_loss=0.6),
        Point(fold=0, epoch=2, train_loss=0.4),
    ]
    before = curve_note(STUDY, memory.experiment(id_), curve, "50 % trained")
    assert unescaped(before.line) == "**SIMULATED** · #1: 50 % trained"
    assert "| 1 | 2 | 0.4000 | 0.6000 |" in before.text
    (address,) = re.findall(r"\(data:image/svg\+xml;base64,([^)]*)\)", before.text)
    assert base64.b64decode(address).decode() == learning_curve_svg(curve)
    memory.keep_result(id_, RESULT)
    after = curve_note(STUDY, memory.experiment(id_), curve, "finished")
    assert unescaped(after.line).endswith("finished, mean Dice 0.800 [0.700, 0.900]")


def test_the_plan_tells_what_runs_what_is_left_and_what_waits(memory):
    (left,) = decided(memory, 1)
    cycle = memory.begin_cycle(STUDY.id)
    memory.end_cycle(cycle.id)
    (new,) = decided(memory, 2, waiting=3)
    note = plan_note(memory, STUDY, memory.cycles(STUDY.id)[-1])
    text = unescaped(note.text)
    assert note.line.endswith("Cycle 2: 1 to train, 1 left from before, 1 set aside")
    runs, earlier, waits = (
        text.partition(f"## {head}")[2].partition("\n## ")[0]
        for head in ("To be trained", "Left from earlier cycles", "Approved, but without a place")
    )
    assert new in runs
    assert left in earlier
    assert "no place is left" in waits


def test_the_champion_is_told_with_its_date_its_spec_and_whom_it_replaced(memory):
    assert "No champion yet" in champion_note(memory, STUDY, SPEC).line
    first, second = decided(memory, 1, 2)
    crowned(memory, first)
    assert "the first champion of its study" in champion_note(memory, STUDY, SPEC).text
    crowned(memory, second, over=first)
    note = champion_note(memory, STUDY, SPEC)
    text, since = unescaped(note.text), memory.experiment(second).ended
    assert f"The champion: #2 {second}" in text
    assert f"since cycle 1, {since.day} {since:%B %Y, %H:%M} UTC" in text
    assert f"It replaced **#1 {first}** of cycle 1: the whole interval lies above 0." in text
    assert "| seed | 0 | 2 |" in text
    assert "0.800 [0.700," in unescaped(note.line)


def test_costs_are_told_of_the_cycle_and_the_loop_against_the_budgets(memory):
    loop = memory.loops.start(LoopRequest())
    (id_,) = decided(memory, 1)
    cycle = memory.begin_cycle(STUDY.id)
    memory.calls.keep(
        cycle.id,
        Call(role="director", model="m", outcome="answered", tokens_in=300, tokens_out=200, cost_usd=None),
    )
    holding(memory, id_, 0, 1)
    loop = loop.model_copy(update={"started": datetime.now(UTC) - timedelta(hours=3)})
    limits = LoopConfig(max_hours=6, max_tokens=1000)
    text = costs_note(memory, STUDY, cycle, loop, limits).text
    assert "| tokens | 500 | 500 | 1,000, 50 % spent |" in text
    assert re.search(r"\| time \| \d s \| 3.0 h \| 6 h, 50 % spent \|", text)
    assert "| GPU-hours | 0.00 | 0.00 | none |" in text
    assert "Calls of this cycle without a known price, which count as nothing: 1." in text


def test_real_data_are_not_marked(memory):
    real = STUDY.model_copy(update={"simulated": False})
    note = champion_note(memory, real, SPEC)
    assert "SIMULATED" not in note.text + note.line
