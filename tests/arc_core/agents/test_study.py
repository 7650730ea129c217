"""Eight cycles of a study whose answers are known: does the board learn, and does it say from what."""

import pytest

from tests.arc_core.agents.study import BASELINE, LOSSES, SPACE, run_study, surface

CYCLES = 8


@pytest.fixture(scope="module", params=[0, 1, 2])
def study(request: pytest.FixtureRequest):
    return run_study(CYCLES, seed=request.param)


def test_the_best_so_far_beats_where_it_started(study) -> None:
    outcomes, _ = study
    assert max(surface(o.spec) for o in outcomes) > surface(BASELINE) + 0.02


def test_the_first_cycle_runs_the_baseline(study) -> None:
    outcomes, minutes = study
    first = minutes[0][1][0]
    assert (first.name, first.changes, first.proposer) == ("baseline", {}, "architect")
    assert BASELINE.id in {o.spec.id for o in outcomes if o.cycle == 1}


def test_no_proposal_is_ever_made_twice(study) -> None:
    _, minutes = study
    made = [proposal.spec.id for _, proposals, _ in minutes for proposal in proposals]
    assert len(set(made)) == len(made) == 9 * CYCLES


def test_every_place_is_used_and_never_more(study) -> None:
    outcomes, _ = study
    assert len(outcomes) == 3 * CYCLES


def test_only_approved_proposals_run(study) -> None:
    for _, _, decisions in study[1]:
        assert all(decision.outcome == "approve" for decision in decisions if decision.selected)


def test_a_cycle_asks_different_questions(study) -> None:
    for _, proposals, decisions in study[1]:
        chosen = {d.proposal_id for d in decisions if d.selected}
        axes = [frozenset(p.changes) for p in proposals if p.id in chosen]
        assert len(set(axes)) == len(axes)


def test_later_proposals_cite_earlier_experiments(study) -> None:
    outcomes, minutes = study
    known: set[str] = set()
    for cycle, (_, proposals, _) in enumerate(minutes, 1):
        for proposal in proposals:
            assert set(proposal.rests_on) <= known
            assert proposal.rests_on or cycle == 1
        known |= {o.experiment_id for o in outcomes if o.cycle == cycle}
    assert any(len(proposal.rests_on) > 1 for proposal in minutes[-1][1])
    assert any("exp-" in proposal.justification for proposal in minutes[1][1])


def test_what_is_predicted_is_mostly_what_is_measured(study) -> None:
    """A 95 % interval from few points is not exact, but it must not be a guess."""
    predicted = [p for _, proposals, _ in study[1] for p in proposals if p.foretells]
    held = sum(p.predicted.low <= surface(p.spec) <= p.predicted.high for p in predicted)
    assert len(predicted) > 40
    assert held / len(predicted) > 0.75


def test_every_proposal_is_readable_safe_and_in_the_space(study) -> None:
    for _, proposals, _ in study[1]:
        for proposal in proposals:
            assert 5 <= len(proposal.hypothesis.split()) <= 14
            assert len(proposal.justification.split()) >= 5
            assert proposal.spec.loss.name in LOSSES
            assert SPACE.outside(proposal.spec) == {}


def test_equal_studies_are_equal() -> None:
    assert run_study(4, seed=5) == run_study(4, seed=5)
