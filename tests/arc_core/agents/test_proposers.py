"""What the three proposers may and may not propose."""

import pytest

from arc_core.agents import architect, explorer, parameter_scientist
from arc_core.agents.parameter_scientist import NUMBERS
from arc_core.experiments.board import Budget, Directive
from arc_core.experiments.limits import ForbiddenRange
from arc_core.experiments.space import Choice, Range, SearchSpace
from tests.arc_core.agents.study import BASELINE, SPACE, brief, outcome, surface

MINDS = [architect.MIND, explorer.MIND, parameter_scientist.MIND]
ARCHITECT, EXPLORER, SCIENTIST = MINDS
every_mind = pytest.mark.parametrize("mind", MINDS, ids=lambda mind: mind.role)


def past(*changes: dict[str, object], cycle: int = 1):
    specs = [BASELINE, *(SPACE.apply(BASELINE, change) for change in changes)]
    return tuple(outcome(i, spec, surface(spec), cycle=cycle) for i, spec in enumerate(specs))


PAST = past({"image_size_px": 128}, {"loss.name": "focal"}, {"optimiser.lr": 2e-3}, {"epochs": 30})


def directive(mode: str, exploit: int, explore: int, wildcat: int, **more: object) -> Directive:
    budget = Budget(exploit=exploit, explore=explore, wildcat=wildcat)
    return Directive(mode=mode, objective="test", budget=budget, **more)


EXPLOIT = directive("exploit", 3, 0, 0)
WILD = directive("explore", 0, 0, 3)


@every_mind
def test_exploiting_changes_at_most_two_axes(mind) -> None:
    made = mind.answer(brief(PAST, directive=EXPLOIT, count=8)).proposals
    assert made
    assert all(p.category == "exploit" and 1 <= len(p.changes) <= 2 for p in made)


@every_mind
def test_equal_briefs_have_equal_answers(mind) -> None:
    assert mind.answer(brief(PAST, seed=3)) == mind.answer(brief(PAST, seed=3))


@pytest.mark.parametrize("mind", [EXPLORER, SCIENTIST], ids=lambda mind: mind.role)
def test_another_seed_is_another_draw(mind) -> None:
    assert mind.answer(brief(PAST, seed=3)) != mind.answer(brief(PAST, seed=4))


@every_mind
def test_nothing_seen_is_proposed(mind) -> None:
    first = mind.answer(brief(PAST)).proposals
    seen = frozenset(p.spec.id for p in first) | {o.spec.id for o in PAST}
    second = mind.answer(brief(PAST, seen=seen)).proposals
    assert not seen & {p.spec.id for p in second}


@every_mind
def test_forbidden_axes_are_left_alone(mind) -> None:
    asked = brief(
        PAST,
        directive=directive("recover", 3, 0, 0, forbidden_axes=("image_size_px", "optimiser.lr", "epochs")),
    )
    touched = {path for p in mind.answer(asked).proposals for path in p.changes}
    assert touched
    assert not touched & {"image_size_px", "optimiser.lr", "epochs"}


@every_mind
def test_forbidden_ranges_are_never_entered(mind) -> None:
    bad = (
        ForbiddenRange(path="optimiser.lr", low=2e-3, high=1, taught_by="exp-009"),
        ForbiddenRange(path="image_size_px", low=100, high=4096, taught_by="exp-009"),
    )
    made = mind.answer(brief(past(), forbidden=bad, count=12)).proposals
    assert made
    assert all(p.spec.optimiser.lr < 2e-3 and p.spec.image_size_px < 100 for p in made)


@every_mind
def test_an_exhausted_space_yields_fewer(mind) -> None:
    small = SearchSpace(axes={"image_size_px": Choice(choices=(96, 128)), "epochs": Choice(choices=(15, 20))})
    made = mind.answer(brief(past(), space=small, count=50)).proposals
    assert len({p.spec.id for p in made}) == len(made) <= 3
    assert made


@every_mind
def test_an_empty_space_yields_nothing(mind) -> None:
    assert mind.answer(brief(PAST, space=SearchSpace(axes={}))).proposals == ()


@every_mind
def test_a_baseline_outside_the_space_can_still_be_improved(mind) -> None:
    """The configured start is the user's choice; only what is changed must lie inside."""
    start = BASELINE.changed({"epochs": 7, "optimiser.weight_decay": 0.0})
    made = mind.answer(brief(parent=start, baseline=start, seen=frozenset({start.id}))).proposals
    assert made
    for p in made:
        outside = SPACE.outside(p.spec)
        assert all(start.flat()[path] == value for path, value in outside.items())


@every_mind
def test_the_first_cycle_starts_with_the_baseline_once(mind) -> None:
    first, *others = mind.answer(brief()).proposals
    assert (first.name, first.spec, first.category) == ("baseline", BASELINE, "exploit")
    assert {p.category for p in others} == {"explore"}
    again = mind.answer(brief(seen=frozenset({BASELINE.id}))).proposals
    assert "baseline" not in {p.name for p in again}


@every_mind
def test_a_newly_configured_baseline_is_proposed_beside_the_champion(mind) -> None:
    anew = BASELINE.changed({"seed": 7})
    for mode in (directive("exploit", 3, 0, 0), directive("explore", 0, 3, 0)):
        first, *others = mind.answer(brief(PAST, baseline=anew, directive=mode)).proposals
        assert (first.name, first.spec, first.changes) == ("baseline", anew, {})
        assert mode.budget.model_dump()[first.category] > 0
        assert all(p.changes for p in others)
    assert "baseline" not in {p.name for p in mind.answer(brief(PAST)).proposals}


@every_mind
def test_whole_numbers_stay_whole(mind) -> None:
    ranges = SearchSpace(
        axes={
            "epochs": Range(low=5, high=40),
            "image_size_px": Range(low=64, high=256),
            "batch_size": Range(low=2, high=16, log=True),
        }
    )
    made = mind.answer(brief(PAST, space=ranges, count=6)).proposals
    assert made
    assert all(isinstance(p.spec.epochs, int) and p.spec.image_size_px % 16 == 0 for p in made)


@every_mind
def test_wildcats_change_many_axes_where_the_role_may(mind) -> None:
    made = mind.answer(brief(PAST, directive=WILD)).proposals
    assert all(p.category == "wildcat" and len(p.changes) >= 3 for p in made)


@every_mind
def test_a_prediction_from_fewer_than_two_outcomes_says_nothing(mind) -> None:
    assert not any(p.foretells for p in mind.answer(brief(past())).proposals)
    assert all(p.foretells for p in mind.answer(brief(PAST)).proposals)


def test_the_architect_changes_structure_and_tries_each_axis_in_turn() -> None:
    made = ARCHITECT.answer(brief(past(), count=5, directive=directive("explore", 0, 3, 0))).proposals
    axes = [next(iter(p.changes)) for p in made]
    assert axes == ["image_size_px", "loss.name", "architecture.name", "normalisation", "architecture.width"]


def test_the_architect_carries_on_what_has_helped() -> None:
    outcomes = past({"image_size_px": 128}, {"architecture.name": "attention_unet"})
    first = ARCHITECT.answer(brief(outcomes, directive=EXPLOIT)).proposals[0]
    combined = first.spec
    assert (combined.image_size_px, combined.architecture.name) == (128, "attention_unet")
    assert {"exp-001", "exp-002"} <= set(first.rests_on)
    assert first.hypothesis.endswith("should raise mean Dice")


def test_the_explorer_prefers_axes_no_one_has_touched() -> None:
    busy = tuple(
        outcome(i, BASELINE.changed({"optimiser.lr": 1e-3 + i * 1e-5}), 0.8, cycle=i + 1) for i in range(60)
    )
    made = EXPLORER.answer(brief(busy, count=20, directive=directive("explore", 0, 3, 0))).proposals
    assert sum("optimiser.lr" in p.changes for p in made) <= 2
    assert len({path for p in made for path in p.changes}) >= 8


def test_the_parameter_scientist_only_tunes_numbers() -> None:
    for outcomes in ((), PAST):
        made = SCIENTIST.answer(brief(outcomes, count=6)).proposals
        assert all(path.startswith(NUMBERS) for p in made for path in p.changes)


def test_the_parameter_scientist_starts_without_a_model_and_then_uses_one() -> None:
    assert {p.strategy for p in SCIENTIST.answer(brief(PAST[:2])).proposals} == {"quasi-random (Halton)"}
    learned = SCIENTIST.answer(brief(PAST)).proposals
    assert {p.strategy for p in learned} == {"tree-structured Parzen estimator"}


def test_the_parameter_scientist_learns_where_the_good_values_lie() -> None:
    lrs = [1e-4 * 100 ** (i / 29) for i in range(30)]
    outcomes = tuple(
        outcome(
            i, BASELINE.changed({"optimiser.lr": float(f"{lr:.3g}")}), 0.9 - abs(lr - 4e-3) * 20, cycle=i + 1
        )
        for i, lr in enumerate(lrs)
    )
    only_lr = SearchSpace(axes={"optimiser.lr": SPACE.axes["optimiser.lr"]})
    made = SCIENTIST.answer(brief(outcomes, space=only_lr, count=10, directive=EXPLOIT)).proposals
    near = [p for p in made if 2e-3 < p.spec.optimiser.lr < 8e-3]
    assert len(near) > len(made) / 2


def test_lower_is_better_reaches_the_words_and_the_estimator() -> None:
    outcomes = tuple(o.model_copy(update={"result": None}) for o in PAST)
    outcomes = tuple(outcome(i, o.spec, 0.1 - 0.01 * i, metric="vcdr_mae") for i, o in enumerate(outcomes))
    for mind in MINDS:
        for p in mind.answer(brief(outcomes, metric="vcdr_mae")).proposals:
            assert "lower vCDR MAE" in p.hypothesis or "better region" in p.hypothesis
