"""What every store must tell of a whole study at a glance: the same as its whole records say."""

from sqlalchemy import select, update

from arc_core.experiments import tables as t
from arc_core.experiments.board import OFFLINE, Review
from arc_core.experiments.memory import Memory
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Verdict
from arc_core.experiments.track import Track, Word
from tests.contracts.records import RESULT, STUDY, decision, proposal

THIRD = 0.1 + 0.2  # 0.30000000000000004: no digit may be lost on the way
PREDICTED = Estimate(value=THIRD, low=0.2, high=0.9, patients=7)
CHANGES = {"optimiser.lr": THIRD, "loss.name": "focal"}


def verdict(experiment_id: str, effect: Estimate | None) -> Verdict:
    return Verdict(
        experiment_id=experiment_id,
        outcome="promote",
        metric="mean_dice",
        champion_id=None,
        effect=effect,
        comparisons=0,
        reason="it gains",
    )


def a_cycle(memory: Memory, *, arm: str = "board") -> None:
    """Two proposals, the second decided first and approved; the first has a review of each critic."""
    cycle = memory.begin_cycle(STUDY.id)
    number = 2 * cycle.number
    told = {"predicted": PREDICTED, "changes": CHANGES, "mind": "a-model", "parent_id": "exp-0"}
    proposals = [proposal(number).model_copy(update=told), proposal(number + 1).model_copy(update=told)]
    memory.keep(cycle.id, proposals)
    critics = (("critic_secondary", "reject"), ("critic", "revise"))
    memory.keep(cycle.id, [review(proposals[0].id, critic, stance) for critic, stance in critics])
    decisions = [decision(proposals[1].id), decision(proposals[0].id, selected=False)]
    decisions[0] = decisions[0].model_copy(update={"arm": arm})
    memory.keep_decisions(cycle, decisions, {each.id: each for each in proposals})
    memory.end_cycle(cycle.id)


def review(proposal_id: str, reviewer: str, stance: str) -> Review:
    return Review(
        proposal_id=proposal_id, reviewer=reviewer, decision=stance, confidence=1, risk="low", reasons=("x",)
    )


def test_a_proposal_is_followed_to_its_verdict_cycle_by_cycle(memory: Memory) -> None:
    a_cycle(memory, arm="control")
    a_cycle(memory)
    (first, second) = memory.experiments(STUDY.id)
    memory.keep_result(first.id, RESULT)
    judged = verdict(first.id, Estimate(value=THIRD, low=0.1, high=0.5))
    memory.keep_verdict(STUDY.id, judged)
    tracks = memory.tracks(STUDY.id)
    assert [(track.cycle, track.decision) for track in tracks] == [
        (1, "approve"),
        (1, "reject"),
        (2, "approve"),
        (2, "reject"),
    ]
    supervisor = Word(role="supervisor", stance="approve")
    assert tracks[0] == Track(
        cycle=1,
        proposer="architect",
        mind="a-model",
        parent_id="exp-0",
        changes=CHANGES,
        predicted=PREDICTED,
        words=(supervisor,),
        decision="approve",
        arm="control",
        outcome=memory.experiment(first.id).outcome,
        verdict=judged,
    )
    assert tracks[1].words == (
        Word(role="critic_secondary", stance="reject"),
        Word(role="critic", stance="revise"),
        supervisor,
    )
    assert (tracks[1].outcome, tracks[1].verdict) == (None, None)
    assert tracks[2].outcome == second.outcome


def test_a_caption_says_what_the_board_and_the_gate_said(memory: Memory) -> None:
    a_cycle(memory, arm="veto_control")
    a_cycle(memory)
    (first, second) = memory.experiments(STUDY.id)
    memory.keep_result(first.id, RESULT)
    memory.keep_verdict(STUDY.id, verdict(first.id, None))
    captions = memory.overview.captions(STUDY.id)
    assert list(captions) == [first.id, second.id]
    one, other = captions.values()
    assert (one.number, one.hypothesis, one.changes, one.arm) == (1, "another seed", CHANGES, "veto_control")
    assert (one.verdict, one.reason) == ("promote", "it gains")
    assert (other.number, other.arm, other.verdict, other.reason) == (2, "board", None, "")
    assert memory.overview.captions(STUDY.id, [second.id]) == {second.id: other}
    assert memory.overview.captions(STUDY.id, []) == {}


def test_what_an_older_version_did_not_write_has_its_default(memory: Memory) -> None:
    a_cycle(memory, arm="control")
    for table, field in ((t.decisions, "arm"), (t.proposals, "mind"), (t.reviews, "mind")):
        with memory.database.write() as db:
            for row in db.execute(select(table)).all():
                older = {name: value for name, value in row.body.items() if name != field}
                db.execute(update(table).where(table.c.position == row.position).values(body=older))
    first, second = memory.tracks(STUDY.id)
    assert (first.arm, first.mind) == ("board", OFFLINE)
    assert {word.mind for word in second.words} == {OFFLINE}
    (caption,) = memory.overview.captions(STUDY.id).values()
    assert caption.arm == "board"
