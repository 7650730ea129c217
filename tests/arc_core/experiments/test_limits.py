"""The safety limits, one row each, on both sides of the line."""

import pytest

from arc_core.experiments.limits import ForbiddenRange, Severity, violations
from tests.arc_core.experiments.test_spec import SPEC

LOSSES = frozenset({"focal", "tversky", "dice"})
SAFE = SPEC.changed({"image_size_px": 128})
Changes = dict[str, float | str]


def found(changes: Changes) -> list[tuple[Severity, str]]:
    return [(v.severity, v.path) for v in violations(SAFE.changed(changes), LOSSES)]


@pytest.mark.parametrize(
    ("severity", "path", "bad", "good"),
    [
        ("critical", "optimiser.name", "lion", "adam"),
        ("critical", "loss.name", "magic", "dice"),
        ("critical", "optimiser.lr", 0.0101, 0.01),
        ("critical", "batch_size", 65, 64),
        ("critical", "epochs", 201, 200),
        ("high", "optimiser.lr", 9e-7, 1e-6),
        ("high", "batch_size", 1, 2),
        ("high", "architecture.dropout", 0.71, 0.7),
        ("high", "epochs", 2, 3),
        ("high", "loss.params.gamma", 3.1, 3.0),
        ("high", "loss.params.smoothing", 0.16, 0.15),
        ("medium", "optimiser.lr", 1.1e-3, 1e-3),
        ("medium", "optimiser.lr", 9e-6, 1e-5),
        ("medium", "image_size_px", 1040, 1024),
        ("medium", "epochs", 101, 100),
    ],
)
def test_each_limit(severity: Severity, path: str, bad: float | str, good: float | str) -> None:
    assert (severity, path) in found({path: bad})
    assert (severity, path) not in found({path: good})


def test_a_safe_spec_breaks_nothing() -> None:
    assert found({}) == []


def test_sgd_may_learn_ten_times_faster() -> None:
    assert ("critical", "optimiser.lr") not in found({"optimiser.name": "sgd", "optimiser.lr": 0.1})
    assert ("critical", "optimiser.lr") in found({"optimiser.name": "sgd", "optimiser.lr": 0.11})


@pytest.mark.parametrize(
    ("params", "breaks"),
    [
        ({"alpha": 0.6, "beta": 0.4}, True),
        ({"alpha": 0.5, "beta": 0.5}, False),
        ({"alpha": 1.5}, False),  # no beta given: nothing to compare
    ],
)
def test_tversky_weighs_misses_at_least_as_much_as_false_alarms(
    params: dict[str, float], breaks: bool
) -> None:
    loss = SAFE.loss.model_copy(update={"name": "tversky", "params": params})
    broken = violations(SAFE.model_copy(update={"loss": loss}), LOSSES)
    assert any(v.path == "loss.params.beta" for v in broken) == breaks


def test_inside_a_forbidden_range_is_critical_and_names_its_teacher() -> None:
    bad = ForbiddenRange(path="optimiser.lr", low=5e-3, high=1e-2, taught_by="exp-007")
    inside = SAFE.changed({"optimiser.lr": 6e-3})
    (worst, *_) = violations(inside, LOSSES, (bad,))
    assert worst.severity == "critical"
    assert "exp-007" in str(worst)
    assert violations(SAFE.changed({"optimiser.lr": 1e-3}), LOSSES, (bad,)) == ()


def test_a_forbidden_range_counts_only_where_it_was_taught() -> None:
    bad = ForbiddenRange(
        path="optimiser.lr", low=5e-3, high=1e-2, taught_by="exp-007", when={"optimiser.name": "adamw"}
    )
    fast = SAFE.changed({"optimiser.lr": 6e-3, "optimiser.name": "adamw"})
    assert "exp-007" in str(violations(fast, LOSSES, (bad,))[0])
    assert violations(fast.changed({"optimiser.name": "sgd"}), LOSSES, (bad,)) == violations(fast, LOSSES)


def test_the_worst_comes_first() -> None:
    severities = [severity for severity, _ in found({"epochs": 300, "batch_size": 1, "optimiser.lr": 2e-3})]
    assert severities == ["critical", "high", "medium"]
