"""The gate's errors in simulated studies: how often it promotes noise, and how often it finds a gain.

`python -m benchmarks.gate` prints the tables of docs/gate.md; it takes minutes. The gate's own arithmetic
judges the trainings of `benchmarks.gate_worlds`, for AUC with its own bootstrap; for a mean over patients
that is replaced by its closed form. The rival is a gate that knows nothing of seeds and of other
comparisons.
"""

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from arc_core.gate.contrast import chance_to_pass, contrast, floor_of
from arc_core.gate.spending import allowance
from arc_core.gate.verdict import Finding, GateConfig, decide, patients_needed
from benchmarks.gate_worlds import AucWorld, Trainings, World
from benchmarks.reporting import finish

STUDIES, CHALLENGERS = 1000, 50
FOLDS = 3  # where a race is run
WORLDS = (
    World("patients and seeds"),
    World("seeds above all", of_seed=0.015),
    World("patients only", of_seed=0.0, of_case=0.0),
    World("20 patients", patients=20),
    World("challengers vary twice as much", wild=2.0),
    World("few patients lose much", skew=True),
)
AUCS = (
    AucWorld("AUC 0.85, 100 patients, half of them ill", patients=100),
    AucWorld("AUC 0.95, 50 patients, ten of them ill", patients=50, ill=0.2, auc=0.95),
)
NUMBERS = (1, 5, 10, 25, 50)


class Told(NamedTuple):
    """Of one study: the comparisons that promoted, how many were stopped early, and the trainings it took."""

    promoted: tuple[int, ...]
    stopped: int
    trainings: float


def study(
    world: World,
    config: GateConfig,
    seed: int,
    *,
    challengers: int = CHALLENGERS,
    gain: float = 0.0,
    at: Sequence[int] = (),
    race: bool = False,
) -> Told:
    """Challengers one after another, none of them better; but those of the numbers `at` are, by `gain`."""
    rng = np.random.default_rng(seed)
    cohort = world.cohort(rng)
    champion = world.trained(rng, config.seeds, world.spec(rng, cohort))
    rows, promoted = [champion.values], list[bool]()
    stopped, trainings = 0, float(config.seeds)
    for number in range(1, challengers + 1):
        spec = world.spec(rng, cohort, gain * (number in at))
        trials = world.trained(rng, 1, spec, wild=world.wild)
        folds = _stopped_after(trials, champion, config) if race else FOLDS
        if folds < FOLDS:
            stopped, trainings = stopped + 1, trainings + folds / FOLDS
            promoted.append(False)
            continue
        allowed = allowance(config.alpha, promoted)
        finding = _finding(trials, champion, rows, allowed, config)
        if finding == "confirm":
            trials += world.trained(rng, config.seeds - 1, spec, wild=world.wild)
            rows.append(trials.values)
            finding = _finding(trials, champion, rows, allowed, config)
        trainings += len(trials)
        promoted.append(finding == "promote")
        if promoted[-1]:
            champion = trials
    return Told(tuple(np.flatnonzero(promoted) + 1), stopped, trainings)


def uncorrected(world: World, seed: int) -> bool:
    """Whether the rival promotes any: one seed a side, and the 95 % interval by patients alone."""
    rng = np.random.default_rng(seed)
    cohort = world.cohort(rng)
    champion = world.trained(rng, 1, world.spec(rng, cohort))
    for _ in range(CHALLENGERS):
        challenger = world.trained(rng, 1, world.spec(rng, cohort), wild=world.wild)
        found = challenger.deviation_from(champion)
        if found.gain > 1.96 * found.error:
            return True
    return False


def _finding(
    trials: Trainings, champion: Trainings, rows: list[list[float]], allowed: float, config: GateConfig
) -> Finding:
    floor, found = floor_of(rows), trials.deviation_from(champion)
    assert floor is not None
    mine, theirs = trials.values, champion.values
    chance = chance_to_pass(found, theirs, floor, config.seeds, allowed) if len(mine) < config.seeds else 0.0
    finding, _ = decide(contrast(found, mine, theirs, floor), len(mine), chance, allowed, config)
    return finding


def _stopped_after(trials: Trainings, champion: Trainings, config: GateConfig) -> int:
    """After how many folds the race stops it, as `arc_core.gate.race` does; after all where it does not."""
    assert config.race is not None
    for folds in range(1, FOLDS):
        patients = trials.world.patients * folds // FOLDS
        mine, theirs = trials.first(patients), champion.first(patients)
        floor = floor_of([theirs.values])
        assert floor is not None
        found = contrast(mine.deviation_from(theirs), mine.values, theirs.values, floor)
        if found.fewest >= patients_needed(config.race) and found.p_loss <= config.race:
            return folds
    return FOLDS


def false_promotions(
    world: World, config: GateConfig, studies: int = STUDIES, *, race: bool = False
) -> tuple[float, float]:
    """The share of studies of noise with any promotion, and the trainings per challenger."""
    told = [study(world, config, seed, race=race) for seed in range(studies)]
    share = sum(bool(each.promoted) for each in told) / studies
    return share, sum(each.trainings for each in told) / studies / CHALLENGERS


def power(
    world: World, config: GateConfig, gain: float, at: int, studies: int = STUDIES, *, race: bool = False
) -> float:
    """The share of studies in which the one true gain is promoted."""
    told = (
        study(world, config, seed, gain=gain, at=(at,), challengers=at, race=race) for seed in range(studies)
    )
    return sum(at in each.promoted for each in told) / studies


def raced(world: World, config: GateConfig, loss: float, studies: int = STUDIES) -> tuple[float, float]:
    """Of challengers that are all worse by `loss`: the share that is stopped early, and the trainings that
    one takes, repeats of the champion left out."""
    every = range(1, CHALLENGERS + 1)
    told = [study(world, config, seed, gain=-loss, at=every, race=True) for seed in range(studies)]
    trainings = sum(each.trainings - config.seeds for each in told)
    return sum(each.stopped for each in told) / studies / CHALLENGERS, trainings / studies / CHALLENGERS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=STUDIES)
    parser.add_argument("--seeds", type=int, default=GateConfig().seeds)
    asked = parser.parse_args()
    config, studies = GateConfig(seeds=asked.seeds), asked.studies
    print(f"{studies} studies of {CHALLENGERS} challengers, {config}\n")
    worst = _tell_errors(config, studies)
    _tell_power("of a mean over patients", WORLDS[0], config, (0.01, 0.015, 0.02, 0.03, 0.04), studies)
    _tell_power("the same, with the race", WORLDS[0], config, (0.02, 0.03), studies, race=True)
    _tell_power(AUCS[0].name, AUCS[0], config, (0.04, 0.06, 0.08), _few(studies))
    print("\n| all challengers worse by | stopped early | trainings of each |\n|---|---|---|")
    for loss in (0.0, 0.01, 0.02, 0.04):
        share, trainings = raced(WORLDS[0], config, loss, _few(studies))
        print(f"| {loss:.2f} | {share:.0%} | {trainings:.2f} |", flush=True)
    # The worst world of those above.
    finish("gate", [], value=worst, target=config.alpha, better="lower")


def _tell_errors(config: GateConfig, studies: int) -> float:
    """The first table; gives its worst share of false promotions. The rival's need not be as exact."""
    print("| what varies | any false promotion | one seed, uncorrected | trainings per challenger |")
    print("|---|---|---|---|")
    worst, few = 0.0, _few(studies)
    for world, race in ((WORLDS[0], True), *((world, False) for world in (*WORLDS, *AUCS))):
        share, trainings = false_promotions(world, config, studies, race=race)
        rival = sum(uncorrected(world, seed) for seed in range(few)) / few
        worst = max(worst, share)
        name = f"{world.name}, with the race" if race else world.name
        print(f"| {name} | {share:.1%} | {rival:.0%} | {trainings:.2f} |", flush=True)
    return worst


def _few(studies: int) -> int:
    return max(1, studies // 4)


def _tell_power(
    what: str, world: World, config: GateConfig, gains: Sequence[float], studies: int, *, race: bool = False
) -> None:
    print(f"\n{what}, {studies} studies:\n")
    print("| true gain | " + " | ".join(f"comparison {at}" for at in NUMBERS) + " |")
    print("|---|" + "---|" * len(NUMBERS))
    for gain in gains:
        found = [power(world, config, gain, at, studies, race=race) for at in NUMBERS]
        print(f"| {gain:.3f} | " + " | ".join(f"{share:.0%}" for share in found) + " |", flush=True)


if __name__ == "__main__":
    main()
