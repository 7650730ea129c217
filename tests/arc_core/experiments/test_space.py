"""The search space: what may change, and what comes with a change."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from arc_core.experiments.space import Choice, Range, SearchSpace, rounded
from tests.arc_core.experiments.test_spec import SPEC

SPACE = SearchSpace(
    axes={
        "image_size_px": Choice(choices=(64, 96, 128)),
        "optimiser.lr": Range(low=1e-4, high=1e-2, log=True),
        "architecture.dropout": Range(low=0.0, high=0.5),
        "loss.params.gamma": Range(low=0.5, high=3.0, when={"loss.name": "focal"}),
        "loss.params.beta": Range(low=0.5, high=0.8, when={"loss.name": "tversky"}),
    },
    loss_params={"tversky": {"alpha": 0.3, "beta": 0.7}},
)


@given(st.integers(0, 10_000), st.sampled_from(sorted(SPACE.axes)))
def test_what_an_axis_draws_it_contains(seed: int, path: str) -> None:
    axis = SPACE.axes[path]
    assert axis.contains(axis.draw(random.Random(seed)))


def test_equal_seeds_draw_equal_values() -> None:
    axis = SPACE.axes["optimiser.lr"]
    assert axis.draw(random.Random(3)) == axis.draw(random.Random(3))


def test_a_logarithmic_axis_draws_evenly_over_its_decades() -> None:
    rng, axis = random.Random(0), SPACE.axes["optimiser.lr"]
    below = sum(axis.draw(rng) < 1e-3 for _ in range(1000))
    assert 450 < below < 550


def test_an_axis_exists_only_where_its_condition_holds() -> None:
    assert "loss.params.gamma" in SPACE.active(SPEC)
    assert "loss.params.beta" not in SPACE.active(SPEC)


def test_a_changed_loss_brings_its_own_parameters() -> None:
    changed = SPACE.apply(SPEC, {"loss.name": "tversky", "loss.params.beta": 0.8})
    assert changed.loss.params == {"alpha": 0.3, "beta": 0.8}
    assert SPACE.apply(SPEC, {"loss.name": "dice"}).loss.params == {}
    assert SPACE.apply(SPEC, {"epochs": 20}).loss == SPEC.loss


@pytest.mark.parametrize(
    ("changes", "outside"),
    [
        ({}, {}),
        ({"image_size_px": 80}, {"image_size_px": 80}),
        ({"optimiser.lr": 0.02, "loss.params.gamma": 0.1}, {"optimiser.lr": 0.02, "loss.params.gamma": 0.1}),
        ({"epochs": 99}, {}),
    ],
)
def test_what_leaves_the_space_is_named(changes: dict[str, float], outside: dict[str, float]) -> None:
    assert SPACE.outside(SPEC.changed(changes)) == outside


def test_a_loss_that_leaves_a_parameter_open_is_inside() -> None:
    bare = SPEC.model_copy(update={"loss": SPEC.loss.model_copy(update={"params": {}})})
    assert SPACE.outside(bare) == {}


def test_rounding_never_leaves_the_range() -> None:
    axis = Range(low=0.12345, high=0.98765)
    assert rounded(0.12345, axis) == 0.12345
    assert rounded(0.98765, axis) == 0.98765
    assert rounded(0.54321, axis) == 0.543
