"""The rules of the loop, held against every history that hypothesis can think of."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.experiments.loop import Facts, Loop, LoopConfig, LoopRequest, Turn, course_of

START = datetime(2026, 1, 1, tzinfo=UTC)
AT = START + timedelta(hours=10)
OPEN = LoopConfig(idle_cycles=100, same_failures=100, vetoed_cycles=100)
REASONS = ("OSError: disk 1 of exp-0a1b", "OSError: disk 2 of exp-99ff", "ValueError: other")

turns = st.lists(
    st.builds(
        Turn,
        outcome=st.sampled_from(["trained", "idle", "failed"]),
        ended=st.just(AT),
        cycle=st.one_of(st.none(), st.integers(1, 9)),
        reason=st.sampled_from(REASONS),
    ),
    max_size=12,
).map(tuple)


def loop(**request) -> Loop:
    return Loop(id=1, request=LoopRequest(**request), started=START)


def facts(*ended: Turn, **known) -> Facts:
    return Facts(**{"loop": loop(), "turns": ended, "now": AT, "metric": "mean_dice"} | known)


def failed(reason: str = REASONS[0], cycle: int | None = None) -> Turn:
    return Turn(outcome="failed", ended=AT, reason=reason, cycle=cycle)


def trained(cycle: int) -> Turn:
    return Turn(outcome="trained", ended=AT, cycle=cycle)


IDLE = Turn(outcome="idle", ended=AT, cycle=1)


@given(turns)
def test_without_limits_the_loop_never_stops(history):
    assert course_of(facts(*history), OPEN).goes in ("on", "wait")


@given(turns, st.integers(1, 9))
def test_no_more_cycles_than_asked_for_and_none_is_counted_twice(history, most):
    done = {turn.cycle for turn in history if turn.cycle is not None}
    course = course_of(facts(*history, loop=loop(max_cycles=most)), OPEN)
    only_one_failed = (
        most == 1 and bool(history) and (history[-1].outcome, history[-1].cycle) == ("failed", None)
    )
    assert (course.goes == "stop") == (len(done) >= most or only_one_failed)


@given(turns)
def test_a_stop_that_was_asked_for_is_obeyed_whatever_happened(history):
    asked = loop().model_copy(update={"stop_asked": AT})
    assert course_of(facts(*history, loop=asked), LoopConfig()).goes == "stop"


@given(turns)
def test_a_loop_that_has_ended_stays_ended_for_the_same_reason(history):
    ended = loop().model_copy(update={"ended": AT, "reason": "it was late"})
    assert course_of(facts(*history, loop=ended), LoopConfig()).reason == "it was late"


@given(turns)
def test_the_loop_waits_only_where_the_last_turn_failed_and_not_for_ever(history):
    course = course_of(facts(*history), OPEN)
    assert (course.goes == "wait") == (bool(history) and history[-1].outcome == "failed")
    if course.until is not None:
        later = facts(*history, now=course.until + timedelta(microseconds=1))
        assert course_of(later, OPEN).goes == "on"


@given(st.integers(1, 40), st.floats(0, 1000), st.floats(0, 100_000))
def test_each_failure_in_a_row_doubles_the_wait_up_to_the_longest(number, first, longest):
    limits = OPEN.model_copy(update={"backoff_s": first, "backoff_max_s": longest})
    until = course_of(facts(*[failed()] * number), limits).until
    assert until is not None
    assert (until - AT).total_seconds() == pytest.approx(min(first * 2 ** (number - 1), longest), abs=1e-5)


@given(st.floats(1, 1e6))
def test_a_clock_set_back_makes_no_wait_longer(back_s):
    """Asked again after a wait, it would otherwise wait anew until the clock has caught up."""
    assert course_of(facts(failed(), now=AT - timedelta(seconds=back_s)), OPEN).goes == "on"


def test_three_failures_for_the_same_reason_halt_it_with_an_explanation():
    same = [failed(REASONS[0]), failed(REASONS[1]), failed(REASONS[0])]  # but for an id and a figure
    course = course_of(facts(*same), LoopConfig())
    assert course.goes == "stop"
    assert "3 cycles in a row failed for the same reason, OSError: disk 1" in course.reason
    assert course_of(facts(*same[:2]), LoopConfig()).goes == "wait"
    assert course_of(facts(*same[:2], failed(REASONS[2])), LoopConfig()).goes == "wait"
    assert course_of(facts(*same[:2], trained(1), same[2]), LoopConfig()).goes == "wait"


@pytest.mark.parametrize(
    ("limits", "under", "over", "words"),
    [
        ({"max_hours": 10}, {"now": AT - timedelta(seconds=1)}, {}, "10 hours"),
        ({"max_gpu_hours": 2.5}, {"gpu_hours": 2.4}, {"gpu_hours": 2.5}, "2.5 GPU-hours"),
        ({"max_tokens": 100}, {"tokens": 99}, {"tokens": 100}, "100 tokens"),
        ({"max_usd": 1.5}, {"usd": 1.49}, {"usd": 1.5}, "1.5 US dollars"),
        ({"target": 0.9}, {"champion": 0.89}, {"champion": 0.9}, "mean Dice 0.900 of 0.9"),
        (
            {"target": 0.1},
            {"metric": "brier", "champion": 0.2},
            {"metric": "brier", "champion": 0.1},
            "Brier",
        ),
        ({"patience": 2}, {"champion_cycle": 1}, {"champion_cycle": 0}, "2 cycles in a row brought no new"),
        ({"vetoed_cycles": 2}, {"vetoed": 1}, {"vetoed": 2}, "the supervisor halts it"),
    ],
)
def test_each_limit_ends_the_loop_when_it_is_reached_and_not_before(limits, under, over, words):
    history = (trained(1), trained(2))
    assert course_of(facts(*history, **under), LoopConfig(**limits)).goes == "on"
    course = course_of(facts(*history, **over), LoopConfig(**limits))
    assert course.goes == "stop"
    assert words in course.words


def test_cycles_that_train_nothing_end_it_sooner_where_they_have_to_end_in_time():
    assert course_of(facts(IDLE, IDLE), LoopConfig()).goes == "on"
    assert "the last 3 cycles could train nothing" in course_of(facts(IDLE, IDLE, IDLE), LoopConfig()).reason
    hurried = loop(max_minutes=5)
    assert course_of(facts(IDLE, loop=hurried), LoopConfig()).reason == "the last one could train nothing"
    assert course_of(facts(IDLE, IDLE, trained(3), loop=hurried), LoopConfig()).goes == "on"


def test_the_only_cycle_asked_for_is_not_tried_again_when_it_fails():
    course = course_of(facts(failed(), loop=loop(max_cycles=1)), LoopConfig())
    assert (course.goes, "has failed, OSError" in course.reason) == ("stop", True)
    assert course_of(facts(failed(), loop=loop(max_cycles=2)), LoopConfig()).goes == "wait"
