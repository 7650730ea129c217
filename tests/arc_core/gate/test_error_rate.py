"""What the gate promises over a whole study, counted in simulated ones: docs/gate.md has the tables."""

import pytest

from arc_core.gate.verdict import GateConfig
from benchmarks.gate import WORLDS, World, false_promotions, power, uncorrected

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
