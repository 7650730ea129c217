"""What the gate promises over a whole study, counted in simulated ones: docs/gate.md has the tables."""

import pytest

from arc_core.gate.verdict import GateConfig
from benchmarks.gate import AUCS, WORLDS, false_promotions, power, raced, uncorrected
from benchmarks.gate_worlds import World

CONFIG = GateConfig()
STUDIES = 1000
PLAIN = WORLDS[0]


@pytest.mark.parametrize("world", WORLDS, ids=lambda world: world.name)
def test_of_1000_studies_of_noise_with_50_challengers_each_no_more_than_alpha_promote_any(world: World):
    share, trainings = false_promotions(world, CONFIG, STUDIES)
    assert share <= CONFIG.alpha
    assert 1 < trainings < 1.5


def test_the_same_noise_passes_a_gate_that_knows_of_neither_seeds_nor_comparisons():
    """Else the simulation would prove nothing."""
    assert sum(uncorrected(PLAIN, seed) for seed in range(200)) / 200 > 0.3


@pytest.mark.parametrize(("at", "least"), [(1, 0.9), (10, 0.55)])
def test_a_true_gain_of_three_points_is_found(at: int, least: float):
    """As often as docs/gate.md says, less what 300 studies may miss by chance."""
    assert power(PLAIN, CONFIG, gain=0.03, at=at, studies=300) > least


def test_noise_in_auc_is_promoted_no_more_often():
    """Its standard error is the bootstrap's, which takes too long for a thousand studies."""
    share, trainings = false_promotions(AUCS[1], CONFIG, 60)
    assert share <= CONFIG.alpha
    assert 1 < trainings < 1.5


def test_the_race_stops_who_loses_and_costs_little_of_what_is_found():
    share, trainings = raced(PLAIN, CONFIG, 0.04, studies=20)
    assert share > 0.5
    assert trainings < 0.9
    with_race = power(PLAIN, CONFIG, gain=0.03, at=1, studies=300, race=True)
    assert with_race > power(PLAIN, CONFIG, gain=0.03, at=1, studies=300) - 0.03
