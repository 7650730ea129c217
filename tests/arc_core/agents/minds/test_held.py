"""What models say is held to limits, space and store: never softer than the rules, never outside them."""

from dataclasses import replace

import pytest

from arc_core.agents import critic, director, supervisor
from arc_core.agents.board import BoardConfig, offline_board
from arc_core.agents.briefs import DirectBrief, ReviewBrief, RuleBrief
from arc_core.agents.minds import critic as critic_mind
from arc_core.agents.minds import director as director_mind
from arc_core.agents.minds import proposer as proposer_mind
from arc_core.agents.minds import supervisor as supervisor_mind
from arc_core.agents.minds.answers import CriticSays, DirectorSays, ProposerSays, SupervisorSays
from arc_core.experiments.board import Alarm
from arc_core.experiments.limits import violations
from tests.arc_core.agents.study import BASELINE, LOSSES, SPACE, brief, outcome, recall
from tests.arc_core.agents.test_judges import proposal

PAST = tuple(outcome(n, BASELINE.changed({"seed": n}), 0.8 + n / 100) for n in range(5))
FINE = proposal({"image_size_px": 128})
OVER = proposal({"optimiser.lr": 0.02}, id="prop-over")
BASE = proposal({}, id="prop-base")
STANCES = ("approve", "revise", "reject")


class Noted:
    """Counsel that takes notes only."""

    def __init__(self):
        self.notes = []

    def set_aside(self, role, model, reason):
        self.notes.append(reason)


# Director


def directed(**said):
    asked = DirectBrief(history=recall(PAST), metric="mean_dice", space=SPACE, parent=BASELINE, slots=5)
    fields = {
        "mode": "explore",
        "objective": "x",
        "budget": {"exploit": 1, "explore": 1, "wildcat": 1},
    } | said
    return director_mind.directive(DirectorSays(**fields), asked, director.MIND.answer(asked), "a model")


def test_the_budget_is_scaled_to_the_places():
    found = directed(budget={"exploit": 0, "explore": 30, "wildcat": 20})
    assert sum(found.budget.model_dump().values()) == 5
    assert found.budget.wildcat == 2
    assert found.mind == "a model"


def test_exploiting_takes_no_wildcat_and_an_empty_budget_is_the_rules():
    assert directed(mode="exploit", budget={"exploit": 1, "explore": 0, "wildcat": 9}).budget.wildcat == 0
    empty = directed(budget={"exploit": 0, "explore": 0, "wildcat": 0})
    assert sum(empty.budget.model_dump().values()) == 5


def test_unknown_axes_are_dropped_and_no_more_than_three_are_barred():
    axes = ["evil", "epochs", "schedule", "batch_size", "optimiser.lr"]
    assert directed(forbidden_axes=axes).forbidden_axes == ("epochs", "schedule", "batch_size")


def test_a_forced_mode_stays():
    collapse = Alarm(watchdog="mode_collapse", text="always the same", experiment_ids=("exp-1",))
    history = recall(PAST).model_copy(update={"alarms": (collapse,)})
    asked = DirectBrief(history=history, metric="mean_dice", space=SPACE, parent=BASELINE)
    forced = director.MIND.answer(asked)
    said = DirectorSays(mode="exploit", objective="x", budget={"exploit": 3, "explore": 0, "wildcat": 0})
    assert director_mind.directive(said, asked, forced, "a model") == forced
    assert forced.mode == "explore"


# Proposers


def proposed(*changes, category="explore", **more):
    each = {
        "name": "an idea",
        "hypothesis": "This should raise mean Dice by itself",
        "justification": "It has not been tried in this study yet",
        "category": category,
        "predicted": {"value": 0.85, "low": 0.8, "high": 0.9},
    }
    said = ProposerSays(proposals=[each | more | {"changes": change} for change in changes])
    noted = Noted()
    asked = brief(PAST, count=10)
    return proposer_mind.admitted(said, asked, "architect", "a model", noted), noted.notes


def test_a_models_idea_becomes_a_proposal_with_its_own_prediction():
    ((made,), notes) = proposed({"architecture.name": "segresnet", "image_size_px": 128.0})
    assert made.changes == {"architecture.name": "segresnet", "image_size_px": 128}
    assert (made.predicted.value, made.mind, made.proposer) == (0.85, "a model", "architect")
    assert notes == []


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"architecture.name": "evil_net"}, "evil_net"),
        ({"no.such.axis": 1}, "no such axis: no.such.axis"),
        ({"task": "classification"}, "no such axis: task"),
        ({"optimiser.lr": 0.5}, "outside the search space: optimiser.lr 0.5"),
        ({"optimiser.lr": {"low": 2.0, "high": 5.0}}, "nothing of the axis"),
        ({"optimiser.lr": {"low": 0.003, "high": 0.001}}, "nothing of the axis"),
        ({"architecture.name": {"low": 0, "high": 1}}, "nothing of the axis"),
        ({"batch_size": "; rm -rf ~"}, "batch_size"),
        ({"epochs": True}, "epochs"),
        ({"seed": 3}, "no such axis"),
    ],
)
def test_what_is_unknown_or_over_a_limit_is_set_aside_and_noted(change, says):
    made, notes = proposed(change, {"schedule": "cosine"})
    assert [each.changes for each in made] == [{"schedule": "cosine"}]
    (note,) = notes
    assert says in note


@pytest.mark.parametrize("open_value", [None, {"low": 0.002, "high": 0.004}])
def test_an_open_value_is_filled_by_the_optimiser(open_value):
    ((made,), _) = proposed({"optimiser.lr": open_value, "schedule": "cosine"})
    low, high = (1e-4, 0.01) if open_value is None else (0.002, 0.004)
    assert low <= made.changes["optimiser.lr"] <= high
    assert made.changes["schedule"] == "cosine"
    assert "the optimiser filled" in made.strategy


def test_an_open_choice_is_filled_too():
    ((made,), _) = proposed({"epochs": {"low": 20, "high": 60}})
    assert made.changes["epochs"] in (20, 30)


def test_a_new_loss_and_its_open_parameter():
    ((made,), _) = proposed({"loss.name": "focal", "loss.params.gamma": None})
    assert made.spec.loss.name == "focal"
    assert 0.5 <= made.spec.loss.params["gamma"] <= 3


def test_only_experiments_that_exist_are_cited():
    ((made,), _) = proposed({"schedule": "cosine"}, rests_on=[PAST[0].experiment_id, "exp-made-up"])
    assert PAST[0].experiment_id in made.rests_on
    assert "exp-made-up" not in made.rests_on


def test_nothing_is_proposed_twice():
    made, notes = proposed({"schedule": "cosine"}, {"schedule": "cosine"})
    assert (len(made), len(notes)) == (1, 1)


# Critics and supervisor


def reviewed(said_decision, made=(FINE, OVER, BASE)):
    asked = ReviewBrief(
        proposals=made,
        metric="mean_dice",
        parent=BASELINE,
        history=recall(PAST),
        directive=brief(PAST).directive,
        space=SPACE,
        losses=LOSSES,
    )
    each = {"decision": said_decision, "confidence": 1.0, "risk": "low", "reasons": ["because"]}
    said = CriticSays(reviews=[{"proposal_id": p.id} | each for p in made])
    found = critic_mind.reviews(said, asked, critic.MIND.answer(asked), "a model")
    return {review.proposal_id: review for review in found.reviews}


@pytest.mark.parametrize("decision", STANCES)
def test_a_critics_model_is_never_softer_than_the_limits(decision):
    found = reviewed(decision)
    assert found["prop-over"].decision == "reject"
    assert (found[FINE.id].decision, found[FINE.id].mind) == (decision, "a model")


def test_no_model_keeps_the_baseline_from_its_run():
    assert reviewed("reject")["prop-base"].decision == "approve"
    assert ruled("reject")["prop-base"].decision == "approve"


def ruled(said_decision, made=(FINE, OVER, BASE)):
    asked = RuleBrief(proposals=made, reviews=(), metric="mean_dice", parent=BASELINE, losses=LOSSES)
    each = {"decision": said_decision, "reasons": ["because"]}
    said = SupervisorSays(rulings=[{"proposal_id": p.id} | each for p in made])
    found = supervisor_mind.rulings(said, asked, supervisor.MIND.answer(asked), "a model")
    return {ruling.proposal_id: ruling for ruling in found.rulings}


@pytest.mark.parametrize("decision", STANCES)
def test_the_supervisors_model_cannot_approve_what_violates_a_critical_limit(decision):
    found = ruled(decision)
    assert violations(OVER.spec, LOSSES)[0].severity == "critical"
    assert (found["prop-over"].decision, found["prop-over"].mind) == ("reject", "offline")
    assert (found[FINE.id].decision, found[FINE.id].mind) == (decision, "a model")


def test_a_model_that_forgets_a_proposal_leaves_it_to_the_rules():
    asked = RuleBrief(proposals=(FINE, OVER), reviews=(), metric="mean_dice", parent=BASELINE, losses=LOSSES)
    said = SupervisorSays(rulings=[{"proposal_id": "prop-unknown", "decision": "approve", "reasons": ["x"]}])
    offline = supervisor.MIND.answer(asked)
    assert supervisor_mind.rulings(said, asked, offline, "a model") == offline


# Nothing to say


class Unasked:
    """Counsel that has a model for every role and may not ask it."""

    def has_model(self, role):
        return True

    def room(self, role, rules, kind):
        raise AssertionError(f"{role} was asked about nothing")


def test_no_model_is_asked_about_nothing():
    """Where every place goes to what is left from before, and of the baseline, which is owed a run."""
    board = replace(offline_board(BoardConfig()), counsel=Unasked())
    asked = brief(PAST, count=0)
    assert board.propose(asked) == ()
    given = {"proposals": (BASE,), "metric": "mean_dice", "parent": BASELINE, "losses": LOSSES}
    more = {"history": recall(PAST), "directive": asked.directive, "space": SPACE}
    assert len(board.review(ReviewBrief(**given, **more)).reviews) == 2
    assert len(board.rule(RuleBrief(**given, reviews=())).rulings) == 1
