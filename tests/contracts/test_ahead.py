"""What every store must do with a cycle that is planned while the one before it trains."""

import pytest

from arc_core.experiments.board import Decision, Proposal
from arc_core.experiments.memory import Memory
from arc_core.experiments.study import Cycle
from tests.contracts.records import RESULT, STUDY, approve, decision, holding, proposal


@pytest.fixture
def planned(memory: Memory) -> Cycle:
    """The second cycle, with two experiments approved while the first one trains."""
    approve(memory, 1)
    following = memory.ahead.plan(memory.begin_cycle(STUDY.id))
    made = {p.id: p for p in map(proposal, (2, 3))}
    memory.keep(following.id, list(made.values()))
    memory.keep_decisions(following, [decision(each) for each in made], made)
    return following


def ids(memory: Memory, *numbers: int) -> list[str]:
    return [e.id for e in memory.experiments(STUDY.id) if e.number in numbers]


def test_the_cycle_at_hand_does_not_see_the_plan(memory: Memory, planned: Cycle) -> None:
    (first,) = ids(memory, 1)
    early = ids(memory, 2)[0]
    memory.keep_result(early, RESULT)
    cycle = memory.begin_cycle(STUDY.id)
    assert cycle.number == 1, "the interrupted one comes before the planned one"
    assert [e.id for e in memory.pending(STUDY.id)] == [first]
    assert [e.id for e in memory.agenda(cycle)] == [first]
    assert memory.unjudged(STUDY.id) == ()
    assert memory.scores(STUDY.id, STUDY.metric) == (), "nor do the figures of its page"
    assert memory.ahead.plan(cycle) == planned, "it is planned once"


def test_the_plan_is_the_next_cycle(memory: Memory, planned: Cycle) -> None:
    memory.keep_result(ids(memory, 1)[0], RESULT)
    memory.end_cycle(memory.begin_cycle(STUDY.id).id)
    cycle = memory.begin_cycle(STUDY.id)
    assert (cycle.id, cycle.number, cycle.status) == (planned.id, 2, "open")
    assert cycle.started > planned.started
    assert [e.id for e in memory.pending(STUDY.id)] == ids(memory, 2, 3)
    memory.end_cycle(cycle.id)
    assert memory.begin_cycle(STUDY.id).number == 3


def test_only_what_nobody_has_begun_is_withdrawn(memory: Memory, planned: Cycle) -> None:
    begun, unbegun = ids(memory, 2, 3)
    assert [e.id for e in memory.ahead.unbegun(planned)] == [begun, unbegun]
    memory.leases.free(holding(memory, begun))
    memory.keep_stop(begun, "its time was over")
    assert [e.id for e in memory.ahead.unbegun(planned)] == [unbegun]
    assert memory.ahead.withdraw({begun: "late", unbegun: "its parent was replaced"}) == (unbegun,)
    outcome = memory.experiment(unbegun).outcome
    assert (outcome.status, outcome.reason) == ("withdrawn", "its parent was replaced")
    assert outcome.has_ended
    assert memory.experiment(begun).outcome.status == "stopped"


def test_what_was_withdrawn_in_line_gets_no_lease_and_stays_withdrawn(memory: Memory, planned: Cycle) -> None:
    first = ids(memory, 2)[0]
    memory.ahead.withdraw({first: "its parent was replaced"})
    with pytest.raises(AttributeError):
        holding(memory, first)
    assert memory.experiment(first).outcome.status == "withdrawn"


def test_what_a_finished_cycle_left_behind_can_be_withdrawn(memory: Memory) -> None:
    (left,) = approve(memory, 1)
    memory.end_cycle(memory.begin_cycle(STUDY.id).id)
    cycle = memory.begin_cycle(STUDY.id)
    assert [e.id for e in memory.ahead.unbegun(cycle)] == [left]


def test_a_meeting_has_lost_what_was_withdrawn_until_the_next_one(memory: Memory, planned: Cycle) -> None:
    memory.ahead.withdraw({ids(memory, 1)[0]: "its parent was replaced"})
    assert not memory.ahead.has_lost(planned), "it is another cycle's"
    memory.ahead.withdraw({ids(memory, 2)[0]: "its parent was replaced"})
    assert memory.ahead.has_lost(planned)
    assert not memory.ahead.has_lost(memory.ahead.meet_again(planned))


def test_a_new_meeting_starts_afresh_and_keeps_what_was_said(memory: Memory, planned: Cycle) -> None:
    again = memory.ahead.meet_again(planned)
    assert again.meeting == planned.meeting + 1
    assert memory.kept(again.id, Proposal) == memory.kept(again.id, Decision) == ()
    made = proposal(2).model_copy(update={"justification": "said again"})
    memory.keep(again.id, [made, proposal(4)])
    memory.keep_decisions(
        again,
        [decision("prop-2", selected=False), decision("prop-4")],
        {"prop-2": made, "prop-4": proposal(4)},
    )
    assert [each.id for each in memory.kept(again.id, Proposal)] == ["prop-2", "prop-4"]
    said = memory.said_of(ids(memory, 2, 4), Proposal)
    assert [each.justification for each in said.values()] == ["noise", "noise"], "each from its own meeting"
    by_meeting = memory.archive.kept_by_meeting(STUDY.id, Decision)
    assert {key: len(made) for key, made in by_meeting.items() if key[0] == 2} == {(2, 0): 2, (2, 1): 2}
