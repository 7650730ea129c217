"""The board against its control, and the scorecards: known records, known answers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.experiments.board import OFFLINE, Outcome
from arc_core.experiments.call import Call
from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import Verdict
from arc_core.experiments.track import Track, Word
from arc_core.report.arms import contest, welch
from arc_core.report.scorecards import Scorecard, scorecards
from arc_core.report.standing import Standing
from tests.contracts.records import RESULT, proposal

METRIC = "mean_dice"
gains = st.lists(st.floats(-0.3, 0.3).map(lambda gain: round(gain, 4)), min_size=2, max_size=12, unique=True)


def track(
    name: int,
    *,
    cycle: int = 1,
    arm: str = "board",
    gain: float | None = None,
    outcome: str = "inconclusive",
    over: str | None = "exp-0",
    parent: str | None = "exp-0",
    failed: bool = False,
    value: float = 0.8,
    **made: object,
) -> Track:
    """An experiment with a gain over the champion `over`; failed; or, with neither, one that did not run."""
    tried = proposal(name)
    made = {
        "parent_id": parent,
        "proposer": "control" if arm == "control" else "architect",
        "changes": tried.changes,
        "predicted": tried.predicted,
        "words": (Word(role="supervisor", stance="approve"),),
    } | made
    ran, ended = failed or gain is not None or outcome == "baseline", not failed
    measured = RESULT.model_copy(update={"metrics": {METRIC: Estimate(value=value, low=0.7, high=0.9)}})
    verdict = Verdict(
        experiment_id=f"exp-{name}",
        outcome=outcome,
        metric=METRIC,
        champion_id=None if outcome == "baseline" else over,
        effect=None if gain is None else Estimate(value=gain, low=gain - 0.01, high=gain + 0.01),
        comparisons=1,
        reason="",
    )
    return Track(
        cycle=cycle,
        decision="approve" if ran else "reject",
        arm=arm,
        outcome=Outcome(
            experiment_id=f"exp-{name}",
            cycle=cycle,
            spec=tried.spec,
            status="failed" if failed else "finished",
            result=measured if ended else None,
        )
        if ran
        else None,
        verdict=verdict if ran and ended else None,
        **made,
    )


BASELINE = track(0, outcome="baseline", parent=None, changes={})


def arms(board: list[float], control: list[float]) -> list[Track]:
    """All in one cycle, each compared with its parent."""
    both = [*(("board", gain) for gain in board), *(("control", gain) for gain in control)]
    return [BASELINE, *(track(n, arm=arm, gain=gain) for n, (arm, gain) in enumerate(both, 1))]


# The board against its control


@given(gains, gains)
def test_the_interval_is_welchs(ours: list[float], theirs: list[float]) -> None:
    from scipy.stats import ttest_ind

    found = welch(ours, theirs)
    low, high = ttest_ind(ours, theirs, equal_var=False).confidence_interval(0.95)
    assert found.value == pytest.approx(sum(ours) / len(ours) - sum(theirs) / len(theirs), abs=1e-12)
    assert (found.low, found.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


def test_a_side_without_spread_leaves_the_others_freedom() -> None:
    found = welch([0.0, 0.2, 0.4], [0.1, 0.1])
    half = 4.302653 * 0.2 / 3**0.5  # Student's t with 2 degrees of freedom, standard error of three
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half), rel=1e-6)
    assert welch([0.1, 0.1], [0.2, 0.2]) is None


@pytest.mark.parametrize(
    ("board", "control", "answer", "words"),
    [
        ([0.05, 0.06, 0.05], [0.0, 0.01, 0.0], "better", "The board is better than its control"),
        ([0.0, 0.01, 0.0], [0.05, 0.06, 0.05], "worse", "The board is worse than its control"),
        ([0.05, -0.05], [0.04, -0.04], "cannot be told", "cannot be told"),
        ([0.05, 0.06, 0.05], [0.0], "too few", "Too few to tell: 3 of the board, 1 of the control"),
        ([], [], "too few", "Too few to tell: 0 of the board, 0 of the control"),
        ([0.05, 0.05], [0.01, 0.01], "too few", "2 of the control, no two of an arm differ"),
    ],
)
def test_the_answer_is_said_plainly_with_its_numbers(board, control, answer, words) -> None:
    found = contest(arms(board, control))
    assert found.answer == answer
    assert words in str(found)
    if control:
        assert f"{len(board)} of the board, {len(control)} of the control" in str(found)


def test_the_order_of_judging_favours_nobody() -> None:
    """Both gain 0.10 over their parent; the control, judged last, meets the board's as the champion."""
    found = contest(
        [BASELINE, track(1, gain=0.10, outcome="promote"), track(2, arm="control", gain=0.0, over="exp-1")]
    )
    assert (found.board.mean_gain, found.control.mean_gain) == pytest.approx((0.10, 0.10))


def test_a_gain_reaches_back_to_the_parent_and_no_further() -> None:
    chain = [
        BASELINE,
        track(1, gain=0.10, outcome="promote"),
        track(2, gain=0.02, outcome="promote", over="exp-1"),
        track(3, arm="control", gain=-0.01, over="exp-2", parent="exp-1"),
    ]
    assert contest(chain).control.mean_gain == pytest.approx(0.01)
    first_cycle = [each.model_copy(update={"parent_id": None}) for each in chain]
    assert contest(first_cycle).control.mean_gain == pytest.approx(0.11)


@given(st.lists(st.floats(-0.2, 0.2), min_size=3, max_size=6), st.floats(-0.2, 0.2))
def test_an_arm_never_looks_better_for_failing(board: list[float], control: float) -> None:
    did_badly = arms([*board, min(board)], [control, control + 0.01])
    failed = [*did_badly[: len(board)], track(len(board), failed=True), *did_badly[len(board) + 1 :]]
    assert contest(failed).board.failed == 1
    assert contest(failed).board.experiments == len(board) + 1
    assert contest(failed).board.mean_gain <= contest(did_badly).board.mean_gain + 1e-12


def test_a_failure_counts_as_the_worst_gain_of_either_arm_and_at_most_nothing() -> None:
    lone = contest([*arms([0.04, 0.02], [-0.03, 0.01]), track(9, failed=True)])
    assert lone.board.mean_gain == pytest.approx((0.04 + 0.02 - 0.03) / 3)
    all_gain = contest([*arms([0.04, 0.02], [0.03, 0.01]), track(9, failed=True)])
    assert all_gain.board.mean_gain == pytest.approx(0.06 / 3)
    undefined = track(9, gain=0.0, outcome="reject")
    undefined = undefined.model_copy(
        update={"verdict": undefined.verdict.model_copy(update={"effect": None})}
    )
    assert contest([*arms([0.04, 0.02], [-0.03, 0.01]), undefined]) == lone


def test_only_cycles_with_both_arms_count_and_no_baseline_veto_or_open_experiment() -> None:
    counted = arms([0.04, 0.02], [0.01, 0.03])
    others = [
        track(11, cycle=2, gain=0.5),
        track(12, cycle=3, arm="control", gain=-0.5),
        track(13, arm="veto_control", gain=0.5),
        track(14, gain=0.5, changes={}),
        track(15),
        track(16, failed=True, cycle=2),
    ]
    assert contest([*counted, *others]) == contest(counted)


# The scorecards


def cards(tracks, calls=()) -> dict[tuple[str, str], Scorecard]:
    return {(card.role, card.mind): card for card in scorecards(tracks, calls, METRIC)}


def test_a_proposers_card_counts_what_became_of_its_proposals() -> None:
    tracks = [
        BASELINE,
        track(1, gain=0.1, outcome="promote"),
        track(2, gain=0.0),
        track(3, failed=True),
        track(4),  # not approved
        track(5, gain=0.1, outcome="promote", mind="a-model"),
    ]
    ours, model = (cards(tracks)["architect", mind] for mind in (OFFLINE, "a-model"))
    assert (ours.proposals, str(ours.approved), str(ours.improved)) == (5, "80 % of 5", "33 % of 3")
    assert (model.proposals, str(model.improved)) == (1, "100 % of 1")


def test_a_forecast_is_held_against_what_was_measured() -> None:
    narrow = {"predicted": Estimate(value=0.8, low=0.7, high=0.85)}
    tracks = [
        track(1, gain=0.0, value=0.84, **narrow),
        track(2, gain=0.0, value=0.9, **narrow),
        track(3, gain=0.0, value=0.3),  # foretold nothing
        track(4, failed=True, **narrow),
        track(5, **narrow),
    ]
    card = cards(tracks)["architect", OFFLINE]
    assert str(card.in_forecast) == "50 % of 2"
    assert card.forecast_error == pytest.approx((0.04 + 0.10) / 2)


def test_a_veto_is_right_where_the_rejected_did_not_improve() -> None:
    def judged(made: Track, stance: str, ruling: str = "approve") -> Track:
        words = (
            Word(role="critic", mind="a-model", stance=stance),
            Word(role="supervisor", stance=ruling),
        )
        return made.model_copy(update={"words": words})

    tried = {"arm": "veto_control", "proposer": "architect"}
    tracks = [
        judged(track(1, gain=0.1, outcome="promote", **tried), "reject"),
        judged(track(2, gain=0.0, **tried), "revise", "reject"),
        judged(track(3, failed=True, **tried), "reject"),
        judged(track(4, gain=0.1, outcome="promote", **tried), "approve"),  # its own veto it was not
        judged(track(5, gain=0.0), "reject"),  # outvoted, no veto
        judged(track(6, arm="veto_control", proposer="architect"), "reject"),  # has not run yet
    ]
    found = cards(tracks)
    critic, supervisor = found["critic", "a-model"], found["supervisor", OFFLINE]
    assert (str(critic.vetoes_right), str(critic.approved)) == ("67 % of 3", "17 % of 6")
    assert str(supervisor.vetoes_right) == "100 % of 1"


def call(outcome: str, model: str = "a-model", usd: float | None = 0.5, role: str = "architect") -> Call:
    return Call(role=role, model=model, outcome=outcome, tokens_in=100, tokens_out=20, cost_usd=usd)


def test_a_models_card_counts_calls_cost_and_what_was_no_use() -> None:
    calls = [
        call("answered"),
        call("invalid"),
        call("timeout"),
        call("answered"),
        Call(role="architect", model="a-model", outcome="over_budget"),
        Call(role="architect", model=OFFLINE, outcome="offline"),
        call("answered", "another", None),
        call("answered", role="critic"),
    ]
    tracks = [BASELINE, *(track(n, gain=0.1, outcome="promote", mind="a-model") for n in (1, 2))]
    found = cards(tracks, calls)
    cells = found["architect", "a-model"].cells
    assert (cells["calls"], cells["tokens"], cells["cost, USD"]) == ("4", "480", "2.0000")
    assert (cells["USD per improvement"], cells["no use"]) == ("1.0000", "50 % of 4")
    assert found["architect", "another"].cells["cost, USD"] == "not known"
    assert found["critic", "a-model"].cells["USD per improvement"] == "–"
    assert found["critic", "a-model"].cells["no use"] == "0 % of 1"
    assert found["architect", OFFLINE].cells["calls"] == "–"


def test_what_was_never_counted_is_a_dash_and_no_nought() -> None:
    cells = cards([track(1)])["architect", OFFLINE].cells
    assert [cells[name] for name in ("improved", "in forecast", "forecast error", "no use")] == ["–"] * 4
    asked_in_vain = cards([], [Call(role="critic", model="a-model", outcome="over_budget")])
    assert asked_in_vain["critic", "a-model"].cells["no use"] == "–"


def test_each_table_has_its_cards() -> None:
    made = scorecards(arms([0.1], [0.0]), [call("answered", role="director")], METRIC)
    tables = {table.title: table for table in Standing(contest=contest(()), scorecards=made).tables}
    assert {row[0] for row in tables["Those who propose"].rows} == {"architect", "control"}
    assert {row[0] for row in tables["Those who judge"].rows} == {"supervisor"}
    assert {row[0] for row in tables["Language models, in all cycles so far"].rows} == {"director"}
