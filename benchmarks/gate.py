"""The gate's errors in simulated studies: how often it promotes noise, and how often it finds a gain.

`python -m benchmarks.gate` prints the tables of docs/gate.md; it takes minutes. A study is what a metric's
mean over patients gives: each training has a score for each patient, which varies by spec and patient, by
seed, and by seed and patient. The gate's own arithmetic judges them; only the bootstrap of a mean is
replaced by its closed form. The rival is a gate that knows nothing of seeds and of other comparisons.
"""

import argparse
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from arc_core.gate.bootstrap import Deviation
from arc_core.gate.contrast import chance_to_pass, contrast, floor_of
from arc_core.gate.spending import allowance
from arc_core.gate.verdict import Finding, GateConfig, decide
from benchmarks.reporting import finish

STUDIES, CHALLENGERS = 1000, 50
Scores = NDArray[np.float64]


class World(NamedTuple):
    """Standard deviations of what makes scores differ, in the metric's units.

    `skew`: few patients lose much, most win a little, where else it is normal. `wild`: by how much more the
    challengers vary from seed to seed than the baseline.
    """

    name: str
    patients: int = 50
    of_spec: float = 0.03
    of_seed: float = 0.004
    of_case: float = 0.02
    skew: bool = False
    wild: float = 1.0


WORLDS = (
    World("patients and seeds"),
    World("seeds above all", of_seed=0.015),
    World("patients only", of_seed=0.0, of_case=0.0),
    World("20 patients", patients=20),
    World("challengers vary twice as much", wild=2.0),
    World("few patients lose much", skew=True),
)


class Told(NamedTuple):
    """Of one study: the comparisons that promoted, and the trainings it took."""

    promoted: tuple[int, ...]
    trainings: int


def study(
    world: World,
    config: GateConfig,
    seed: int,
    *,
    challengers: int = CHALLENGERS,
    gain: float = 0.0,
    at: int = 0,
) -> Told:
    """Challengers one after another, none of them better; but the `at`-th is, by `gain`."""
    rng = np.random.default_rng(seed)
    champion = _trained(world, rng, config.seeds, spec=_of_spec(world, rng))
    rows = [_means(champion)]
    promoted: list[bool] = []
    trainings = config.seeds
    for number in range(1, challengers + 1):
        spec = _of_spec(world, rng) + gain * (number == at)
        trials = _trained(world, rng, 1, spec=spec, wild=world.wild)
        allowed, floor = allowance(config.alpha, promoted), floor_of(rows)
        assert floor is not None
        finding = _finding(trials, champion, rows, allowed, config)
        if finding == "confirm":
            further = _trained(world, rng, config.seeds - 1, spec=spec, wild=world.wild)
            trials = np.concatenate([trials, further])
            rows.append(_means(trials))
            finding = _finding(trials, champion, rows, allowed, config)
        trainings += len(trials)
        promoted.append(finding == "promote")
        if promoted[-1]:
            champion = trials
    return Told(tuple(np.flatnonzero(promoted) + 1), trainings)


def uncorrected(world: World, seed: int) -> bool:
    """Whether the rival promotes any: one seed a side, and the 95 % interval by patients alone."""
    rng = np.random.default_rng(seed)
    champion = _trained(world, rng, 1, spec=_of_spec(world, rng))
    for _ in range(CHALLENGERS):
        found = _deviation(_trained(world, rng, 1, spec=_of_spec(world, rng), wild=world.wild), champion)
        if found.gain > 1.96 * found.error:
            return True
    return False


def _finding(
    trials: Scores, champion: Scores, rows: list[list[float]], allowed: float, config: GateConfig
) -> Finding:
    floor, found = floor_of(rows), _deviation(trials, champion)
    assert floor is not None
    mine, theirs = _means(trials), _means(champion)
    chance = chance_to_pass(found, theirs, floor, config.seeds, allowed) if len(mine) < config.seeds else 0.0
    finding, _ = decide(contrast(found, mine, theirs, floor), len(mine), chance, allowed, config)
    return finding


def _of_spec(world: World, rng: np.random.Generator) -> Scores:
    drawn = rng.standard_normal(world.patients)
    if world.skew:
        drawn = 1 - rng.exponential(size=world.patients)
    return world.of_spec * drawn


def _trained(
    world: World, rng: np.random.Generator, seeds: int, *, spec: Scores, wild: float = 1.0
) -> Scores:
    """Scores of (seeds, patients); what is the patient's own cancels, and is left out."""
    of_seed = world.of_seed * rng.standard_normal((seeds, 1))
    of_case = world.of_case * rng.standard_normal((seeds, world.patients))
    return np.asarray(spec + wild * (of_seed + of_case))


def _means(trials: Scores) -> list[float]:
    return [float(mean) for mean in trials.mean(axis=1)]


def _deviation(trials: Scores, champion: Scores) -> Deviation:
    gains = trials.mean(axis=0) - champion.mean(axis=0)
    return Deviation(float(gains.mean()), float(gains.std(ddof=1)) / math.sqrt(len(gains)), len(gains))


def false_promotions(world: World, config: GateConfig, studies: int = STUDIES) -> tuple[float, float]:
    """The share of studies of noise with any promotion, and the trainings per challenger."""
    told = [study(world, config, seed) for seed in range(studies)]
    share = sum(bool(each.promoted) for each in told) / studies
    return share, sum(each.trainings for each in told) / studies / CHALLENGERS


def power(world: World, config: GateConfig, gain: float, at: int, studies: int = STUDIES) -> float:
    """The share of studies in which the one true gain is promoted."""
    told = (study(world, config, seed, gain=gain, at=at, challengers=at) for seed in range(studies))
    return sum(at in each.promoted for each in told) / studies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--seeds", type=int, default=GateConfig().seeds)
    asked = parser.parse_args()
    config = GateConfig(seeds=asked.seeds)
    print(f"{asked.studies} studies of {CHALLENGERS} challengers, {config}\n")
    print("| what varies | any false promotion | one seed, uncorrected | trainings per challenger |")
    print("|---|---|---|---|")
    worst = 0.0
    for world in WORLDS:
        share, trainings = false_promotions(world, config, asked.studies)
        rival = sum(uncorrected(world, seed) for seed in range(asked.studies)) / asked.studies
        worst = max(worst, share)
        print(f"| {world.name} | {share:.1%} | {rival:.0%} | {trainings:.2f} |", flush=True)
    numbers = (1, 5, 10, 25, 50)
    print("\n| true gain | " + " | ".join(f"comparison {at}" for at in numbers) + " |")
    print("|---|" + "---|" * len(numbers))
    for gain in (0.01, 0.015, 0.02, 0.03, 0.04):
        found = [power(WORLDS[0], config, gain, at, asked.studies) for at in numbers]
        print(f"| {gain:.3f} | " + " | ".join(f"{share:.0%}" for share in found) + " |", flush=True)
    # The worst world of those above.
    finish("gate", [], value=worst, target=config.alpha, better="lower")


if __name__ == "__main__":
    main()
