"""No number without an evaluation in the ledger."""

import pytest

from arc_core.dossier.figure import Evaluations
from arc_core.errors import Unfounded
from arc_core.experiments.metric import Estimate

KNOWN = Evaluations({"a" * 64: "exp-1"})


def test_a_number_carries_its_evaluation():
    estimate = Estimate(value=0.9, low=0.85, high=0.95, patients=40)
    figure = KNOWN.figure("AUC", estimate, "exp-1")
    assert figure.evaluation == "a" * 64
    assert str(figure) == "0.900 [0.850,\N{NO-BREAK SPACE}0.950]\N{NO-BREAK SPACE}(aaaaaaaa)"
    assert figure.n == 40


def test_a_number_of_what_was_not_evaluated_is_refused_by_name():
    with pytest.raises(Unfounded, match=r"AUC of exp-2 has no eval\.completed"):
        KNOWN.figure("AUC", 0.9, "exp-2")


def test_a_hash_that_the_ledger_does_not_have_is_refused():
    KNOWN.check("AUC 0.900", "a" * 64)
    with pytest.raises(Unfounded, match=r"AUC 0\.900 rests on evaluation b+"):
        KNOWN.check("AUC 0.900", "b" * 64)


@pytest.mark.parametrize(("unit", "shown"), [("", "3.000"), ("px", "3.0"), ("images", "3")])
def test_digits_follow_the_unit(unit, shown):
    assert KNOWN.figure("x", 3, "exp-1", unit).number == shown
