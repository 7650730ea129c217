"""Simulated trainings for `benchmarks.gate`: what makes their scores differ, and how a metric reads them."""

import math
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from arc_core.gate.bootstrap import RESAMPLES, Deviation
from arc_core.gate.weighted import Statistic, patient_weights, weighted_auc

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class World:
    """A metric that is a mean over patients, as Dice is: each training has a score for each patient.

    Standard deviations of what makes scores differ, in the metric's units: the spec with the patient, the
    seed, the seed with the patient. `skew`: few patients lose much, most win a little, where else it is
    normal. `wild`: by how much more the challengers vary from seed to seed than the baseline.
    """

    name: str
    patients: int = 50
    of_spec: float = 0.03
    of_seed: float = 0.004
    of_case: float = 0.02
    skew: bool = False
    wild: float = 1.0

    def cohort(self, rng: np.random.Generator) -> Scores:
        """What the patients bring to every training of a study. Of a mean it cancels, and is left out."""
        return np.zeros(self.patients)

    def spec(self, rng: np.random.Generator, cohort: Scores, gain: float = 0.0) -> Scores:
        """A spec's scores before its seeds; `gain`: by how much its metric is truly the better."""
        drawn = rng.standard_normal(self.patients)
        if self.skew:
            drawn = 1 - rng.exponential(size=self.patients)
        return np.asarray(cohort + self.of_spec * drawn + self.step(gain))

    def step(self, gain: float) -> Scores:
        """What is added to the scores for such a gain."""
        return np.full(self.patients, gain)

    def trained(
        self, rng: np.random.Generator, seeds: int, spec: Scores, *, wild: float = 1.0
    ) -> "Trainings":
        of_seed = self.of_seed * rng.standard_normal((seeds, 1)) * self.moved
        of_case = self.of_case * rng.standard_normal((seeds, self.patients))
        return Trainings(self, np.asarray(spec + wild * (of_seed + of_case)))

    @property
    def moved(self) -> Scores:
        """Which patients a seed moves together."""
        return np.ones(self.patients)

    def fewest(self, patients: int) -> int:
        """As of a `Deviation`, of the first patients."""
        return patients

    def value(self, scores: Scores) -> float:
        """The metric of one training's scores, of all patients or the first ones."""
        return float(scores.mean())

    def resampled(self, scores: Scores) -> Scores | None:
        """The metric in each resample of the patients; None: its error is known in closed form."""
        return None


@dataclass(frozen=True)
class AucWorld(World):
    """The area under the ROC curve of scores that are normal in the ill and in the healthy.

    In units of the patients' own standard deviation, which does not cancel here. A seed moves the ill alone.
    `ill`: their share; `auc`: of every spec, over all patients there might be.
    """

    of_spec: float = 0.4
    of_seed: float = 0.05
    of_case: float = 0.3
    ill: float = 0.5
    auc: float = 0.85

    def cohort(self, rng: np.random.Generator) -> Scores:
        return rng.standard_normal(self.patients) + self._apart(self.auc) * self.labels

    def step(self, gain: float) -> Scores:
        return (self._apart(self.auc + gain) - self._apart(self.auc)) * self.labels

    @property
    def moved(self) -> Scores:
        return self.labels

    @property
    def labels(self) -> Scores:
        """Spread evenly, so that every fold has its share."""
        return np.diff(np.floor(self.ill * np.arange(self.patients + 1)))

    def fewest(self, patients: int) -> int:
        ill = int(self.labels[:patients].sum())
        return min(ill, patients - ill)

    def value(self, scores: Scores) -> float:
        return float(self._auc(scores)(np.ones((1, len(scores))))[0])

    def resampled(self, scores: Scores) -> Scores:
        return self._auc(scores)(_weights(len(scores)))

    def _auc(self, scores: Scores) -> Statistic:
        return weighted_auc(self.labels[: len(scores)].astype(int).tolist(), scores.tolist())

    def _apart(self, auc: float) -> float:
        """How far apart the means of ill and healthy are for it: the binormal model."""
        from scipy.special import ndtri

        return math.sqrt(2 * (1 + self.of_spec**2 + self.of_case**2)) * float(ndtri(auc))


@cache
def _weights(patients: int) -> Scores:
    """The gate's own resamples: of as many patients they are the same in each of its comparisons."""
    names = [str(number).zfill(6) for number in range(patients)]
    return np.concatenate(list(patient_weights(names, RESAMPLES, seed=0)))


@dataclass(frozen=True)
class Trainings:
    """One spec's trainings with several seeds: scores of (seeds, patients)."""

    world: World
    scores: Scores

    def __len__(self) -> int:
        return len(self.scores)

    def __add__(self, more: "Trainings") -> "Trainings":
        return Trainings(self.world, np.concatenate([self.scores, more.scores]))

    def first(self, patients: int) -> "Trainings":
        """As far as the first folds have measured it."""
        return Trainings(self.world, self.scores[:, :patients])

    @cached_property
    def values(self) -> list[float]:
        return [self.world.value(scores) for scores in self.scores]

    @cached_property
    def drawn(self) -> Scores | None:
        """The mean over the seeds, in each resample."""
        found = [self.world.resampled(scores) for scores in self.scores]
        return None if found[0] is None else np.mean(found, axis=0)

    def deviation_from(self, champion: "Trainings") -> Deviation:
        """The paired gain, as `paired_deviation` would find it."""
        patients = self.scores.shape[1]
        if self.drawn is None or champion.drawn is None:
            gains = self.scores.mean(axis=0) - champion.scores.mean(axis=0)
            error = float(gains.std(ddof=1)) / math.sqrt(patients)
            return Deviation(float(gains.mean()), error, patients, patients)
        gain, fewest = float(np.mean(self.values) - np.mean(champion.values)), self.world.fewest(patients)
        error = float(np.nanstd(self.drawn - champion.drawn)) * math.sqrt(fewest / (fewest - 1))
        return Deviation(gain, error, patients, fewest)
