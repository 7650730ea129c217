"""The fixed rules of the critics, the supervisor and the executor."""

import pytest

from arc_core.agents import critic, critic_secondary, executor, supervisor
from arc_core.agents.briefs import CheckBrief, News, ReviewBrief, RuleBrief
from arc_core.experiments.board import Compiled, Proposal, Review
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.metric import Estimate
from arc_core.experiments.spec import Value
from tests.arc_core.agents.study import BASELINE, LOSSES, SPACE, UNKNOWN, brief, outcome, surface


def proposal(changes: dict[str, object], **more: object) -> Proposal:
    fields: dict[str, object] = {
        "id": "prop-1",
        "proposer": "explorer",
        "category": "explore",
        "name": "test",
        "hypothesis": "This change should raise mean Dice",
        "justification": "Nothing like it was tried before",
        "parent_id": "exp-000",
        "changes": changes,
        "spec": SPACE.apply(BASELINE, changes),
        "predicted": UNKNOWN,
    }
    return Proposal(**{**fields, **more})


def review(mind, made: Proposal, outcomes=(), **more: object) -> Review:
    outcomes = outcomes or (outcome(0, BASELINE, surface(BASELINE)),)
    asked = brief(outcomes)
    fields = {
        "proposals": (made,),
        "metric": "mean_dice",
        "parent": BASELINE,
        "history": asked.history,
        "directive": asked.directive,
        "space": SPACE,
        "losses": LOSSES,
    }
    return mind.answer(ReviewBrief(**{**fields, **more})).reviews[0]


FAILED = (
    outcome(0, BASELINE, surface(BASELINE)),
    outcome(
        1,
        BASELINE.changed({"optimiser.lr": 0.009}),
        None,
        reason="the training diverged: nan",
    ),
)


def test_the_critic_approves_a_sound_change() -> None:
    found = review(critic.MIND, proposal({"image_size_px": 128}))
    assert (found.decision, found.risk) == ("approve", "low")


def test_the_critic_is_surer_of_small_changes_and_likely_gains() -> None:
    small = review(critic.MIND, proposal({"image_size_px": 128}))
    large = review(
        critic.MIND, proposal({"image_size_px": 128, "epochs": 30, "batch_size": 4, "schedule": "cosine"})
    )
    likely = review(
        critic.MIND, proposal({"image_size_px": 128}, predicted=Estimate(value=0.9, low=0.85, high=0.95))
    )
    assert likely.confidence > small.confidence > large.confidence
    assert large.risk == "medium"


def test_the_critic_rejects_what_is_over_a_critical_limit() -> None:
    found = review(critic.MIND, proposal({"optimiser.lr": 0.02}))
    assert (found.decision, found.confidence, found.risk) == ("reject", 1.0, "critical")
    assert found.suggested_changes == {"optimiser.lr": BASELINE.optimiser.lr}


def test_the_critic_asks_to_revise_a_high_one() -> None:
    found = review(critic.MIND, proposal({"epochs": 2}))
    assert (found.decision, found.risk) == ("revise", "high")
    assert found.suggested_changes == {"epochs": 15}


def test_the_critic_rejects_the_very_spec_that_failed() -> None:
    assert review(critic.MIND, proposal({"optimiser.lr": 0.009}), FAILED).decision == "reject"


def test_the_critic_retreats_from_the_neighbourhood_of_a_failure() -> None:
    found = review(critic.MIND, proposal({"optimiser.lr": 0.0085}), FAILED)
    assert found.decision == "revise"
    assert "exp-001" in found.reasons[0]
    assert found.reasons[0].endswith("which failed: diverged")
    assert found.suggested_changes == {"optimiser.lr": BASELINE.optimiser.lr}
    assert review(critic.MIND, proposal({"optimiser.lr": 0.0005}), FAILED).decision == "approve"


def test_the_critic_holds_exploiting_to_two_axes() -> None:
    asked = brief((outcome(0, BASELINE, 0.8),))
    exploiting = asked.directive.model_copy(update={"mode": "exploit"})
    bold = proposal({"image_size_px": 128, "epochs": 30, "batch_size": 4})
    assert review(critic.MIND, bold, directive=exploiting).decision == "revise"


@pytest.mark.parametrize("part", ["hypothesis", "justification"])
def test_the_second_critic_asks_for_at_least_five_words(part: str) -> None:
    terse = proposal({"image_size_px": 128}, **{part: "Only four words here"})
    found = review(critic_secondary.MIND, terse)
    assert found.decision == "revise"
    assert part in found.reasons[0]
    enough = proposal({"image_size_px": 128}, **{part: "Five words are just enough"})
    assert review(critic_secondary.MIND, enough).decision == "approve"


def test_the_second_critic_asks_for_something_new() -> None:
    found = review(critic_secondary.MIND, proposal({"optimiser.lr": 1.01e-3}))
    assert found.decision == "revise"
    assert "exp-000" in found.reasons[0]


def test_the_second_critic_minds_the_cost() -> None:
    cheap = review(critic_secondary.MIND, proposal({"image_size_px": 128}))
    dear = review(critic_secondary.MIND, proposal({"image_size_px": 128, "architecture.width": 16}))
    assert (cheap.risk, dear.risk) == ("low", "medium")


def rule(made: Proposal, reviews: tuple[Review, ...] = (), **more: object):
    asked = RuleBrief(
        proposals=(made,), reviews=reviews, losses=LOSSES, metric="mean_dice", parent=BASELINE, **more
    )
    return supervisor.MIND.answer(asked).rulings[0]


@pytest.mark.parametrize(
    ("changes", "decision"),
    [
        ({"image_size_px": 128}, "approve"),
        ({"image_size_px": 64}, "approve"),  # medium: remarked on only
        ({"epochs": 2}, "revise"),
        ({"optimiser.lr": 0.02}, "reject"),
        ({"batch_size": 65}, "reject"),
        ({"loss.name": "unheard_of"}, "reject"),
    ],
)
def test_the_supervisor_rules_by_the_worst_violation(changes: dict[str, object], decision: str) -> None:
    ruling = rule(proposal(changes))
    assert ruling.decision == decision
    assert ruling.reasons


def test_the_supervisor_holds_forbidden_ranges() -> None:
    bad = ForbiddenRange(path="optimiser.lr", low=5e-3, high=1, taught_by="exp-001")
    ruling = rule(proposal({"optimiser.lr": 6e-3}), forbidden=(bad,))
    assert ruling.decision == "reject"
    assert "exp-001" in ruling.reasons[0]


def test_the_supervisor_says_when_it_overrides_agreeing_critics() -> None:
    bad = proposal({"optimiser.lr": 0.02})
    both = tuple(
        Review(proposal_id="prop-1", reviewer=name, decision="approve", confidence=1, risk="low", reasons=())
        for name in ("critic", "critic_secondary")
    )
    assert rule(bad, both).overrides_consensus
    assert not rule(proposal({"image_size_px": 128}), both).overrides_consensus


def check(
    seconds_available: float | None = 600,
    made: Proposal = proposal({}),  # noqa: B008  # frozen
    news: News | None = None,
    **compiled: object,
):
    plan = {"proposal_id": "prop-1", "parameters": 400_000, "memory_mib": 800, "seconds": 60, **compiled}
    asked = CheckBrief(
        proposals=(made,),
        compiled=(Compiled(**plan),),
        memory_limit_mib=5120,
        seconds_available=seconds_available,
        news=news,
    )
    return executor.MIND.answer(asked).checks[0]


def test_the_executor_passes_what_fits() -> None:
    found = check()
    assert (found.runs, found.seconds, found.memory_mib) == (True, 60, 800)


@pytest.mark.parametrize(
    ("compiled", "word"),
    [
        ({"parameters": 10_000_001}, "parameters"),
        ({"memory_mib": 5121}, "MiB"),
        ({"memory_mib": float("nan")}, "MiB"),
        ({"seconds": 601}, "600 s are left"),
        ({"error": "no such network"}, "does not compile: no such network"),
        ({"proposal_id": "prop-2"}, "was not compiled"),
    ],
)
def test_the_executor_stops_what_does_not(compiled: dict[str, object], word: str) -> None:
    found = check(**compiled)
    assert not found.runs
    assert word in found.reasons[0]


def test_without_a_time_limit_any_duration_runs() -> None:
    assert check(seconds_available=None, seconds=1e6).runs


LEADS = "exp-000"


@pytest.mark.parametrize(
    ("changes", "parent_id", "news", "fault"),
    [
        ({"image_size_px": 128}, LEADS, {}, ""),
        ({"image_size_px": 128}, None, {}, "changes the baseline, which exp-000 has replaced"),
        ({"image_size_px": 128}, None, {"baseline_leads": True}, ""),
        ({"image_size_px": 128}, "exp-001", {"baseline_leads": True}, "changes exp-001"),
        ({}, None, {}, ""),  # the baseline itself changes nobody
        ({"image_size_px": 128}, LEADS, {"tried": True}, "was tried meanwhile"),
    ],
)
def test_the_executor_holds_what_was_approved_against_the_news(
    changes: dict[str, Value], parent_id: str | None, news: dict[str, bool], fault: str
) -> None:
    made = proposal(changes, parent_id=parent_id)
    now = News(
        parent_id=LEADS,
        baseline_leads=news.get("baseline_leads", False),
        tried=frozenset({made.spec.id} if news.get("tried") else ()),
    )
    found = check(made=made, news=now)
    assert found.runs == (not fault)
    assert fault in found.reasons[0]
