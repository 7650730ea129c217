"""Trainings begun for the next cycle: what is still held of them."""

import pytest

from arc_core.experiments.board import Outcome
from arc_core.experiments.study import Experiment
from tasks import early
from tests.contracts.records import SPEC


def trained(status: str) -> Experiment:
    outcome = Outcome(experiment_id="one", cycle=2, spec=SPEC, spec_id=SPEC.id, status=status)
    return Experiment(id="one", number=1, study_id="study-1", proposal_id="prop-1", outcome=outcome)


@pytest.fixture(autouse=True)
def _nothing_left():
    yield
    early.all_ended()


def begun(experiment_id: str, status: str) -> None:
    """And at its end."""
    early.begin(experiment_id, lambda heard: trained(status))
    held = early.taken_over(experiment_id)
    assert held is not None
    held.future.result()
    early._early[experiment_id] = held


@pytest.mark.parametrize(("status", "held"), [("finished", False), ("failed", False), ("stopped", True)])
def test_what_has_an_outcome_is_let_go_as_the_next_begins(status, held):
    begun("one", status)
    begun("two", "finished")
    assert (early.taken_over("one") is not None) == held


def test_a_fault_is_held_for_the_cycle_that_asks_for_it():
    def breaks(heard: object) -> Experiment:
        raise OSError("no space left")

    early.begin("one", breaks)
    begun("two", "finished")
    found = early.taken_over("one")
    assert found is not None
    with pytest.raises(OSError, match="no space"):
        found.future.result()
