"""How much better one spec is than another: patients and training seeds both vary, and both count.

A training that is repeated with another seed gives another model, so a lead may be the seed's luck. Each
side is trained with several seeds; the gain is the difference of their means, on the same held-out cases.
Its variance has two parts: which patients there are, by resampling them for all seeds together, and which
seeds were drawn, by the noise floor. They are added as for two crossed random factors, which counts what
depends on both twice, so that the sum is too large rather than too small (Owen & Eckles 2012, "Bootstrapping
data arrays of arbitrary order", Annals of Applied Statistics 6(3)). The sum is held against Student's t with
the degrees of freedom of Satterthwaite (1946, Biometrics Bulletin 2(6)).
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from arc_core.experiments.metric import Estimate
from arc_core.experiments.result import NoiseFloor
from arc_core.gate.bootstrap import Deviation


class Contrast(NamedTuple):
    """The gain, positive is better; how likely one as large, or a loss as large, is where there is none.

    `fewest`: as of a `Deviation`.
    """

    gain: float
    error: float
    degrees: float
    patients: int
    fewest: int
    p_value: float
    p_loss: float

    def between(self, low: float, high: float) -> Estimate:
        """The gain with its interval, whose lower and upper end are missed with these probabilities.

        No further than a metric from 0 to 1 can gain or lose.
        """
        return Estimate(
            value=self.gain,
            low=max(-1.0, self.gain - _quantile(self.degrees, low) * self.error),
            high=min(1.0, self.gain + _quantile(self.degrees, high) * self.error),
            patients=self.patients,
        )


def floor_of(values: Sequence[Sequence[float]]) -> NoiseFloor | None:
    """From the metric of repeated trainings, a row for each spec; None before any spec has two."""
    repeated = [row for row in values if len(row) > 1]
    if not repeated:
        return None
    degrees = sum(len(row) - 1 for row in repeated)
    squares = math.fsum((value - math.fsum(row) / len(row)) ** 2 for row in repeated for value in row)
    return NoiseFloor(sd=math.sqrt(squares / degrees), degrees=degrees, specs=len(repeated))


def contrast(
    found: Deviation, challenger: Sequence[float], champion: Sequence[float], floor: NoiseFloor
) -> Contrast:
    """From the gain's error by patients, and by seeds. `challenger`, `champion`: the metric of each training.

    Where the two sides vary more from seed to seed than the study's floor tells, they are taken at their
    word.
    """
    own = floor_of([challenger, champion])
    seeds = own if own is not None and own.sd > floor.sd else floor
    of_seeds = seeds.sd * math.sqrt(1 / len(challenger) + 1 / len(champion))
    error = math.hypot(found.error, of_seeds)
    if error == 0:  # the same lead in every case, from seeds that change nothing
        sure = float(found.gain < 0), float(found.gain > 0)
        p_value, p_loss = sure if found.gain else (1.0, 1.0)
        return Contrast(found.gain, 0.0, math.inf, found.patients, found.fewest, p_value, p_loss)
    # As shares, since the fourth power of a small error would vanish.
    degrees = 1 / ((found.error / error) ** 4 / (found.fewest - 1) + (of_seeds / error) ** 4 / seeds.degrees)
    t = found.gain / error
    p_value, p_loss = _below(degrees, -t), _below(degrees, t)
    return Contrast(found.gain, error, degrees, found.patients, found.fewest, p_value, p_loss)


def least_gain(floor: NoiseFloor, seeds: int, allowance: float) -> float:
    """What a gain has to be at least to be promoted, for the seeds alone, were all patients alike.

    As if the challenger's further seeds vary as the floor tells.
    """
    of_seeds = floor.sd * math.sqrt(2 / seeds)
    return _quantile(floor.degrees + seeds - 1, allowance) * of_seeds


def chance_to_pass(
    found: Deviation, champion: Sequence[float], floor: NoiseFloor, seeds: int, allowance: float
) -> float:
    """How likely a challenger that was trained once passes once it is trained with `seeds` seeds.

    As if nothing but its first training were known of it (predictive power: Spiegelhalter, Freedman &
    Blackburn 1986, Controlled Clinical Trials 7(1)): its mean will then differ from the first by √((seeds −
    1) / seeds) floors.
    """
    then = floor.model_copy(update={"degrees": floor.degrees + seeds - 1})
    flat = [0.0] * seeds
    after = contrast(found, flat, [0.0] * len(champion), then)
    need = _quantile(after.degrees, allowance) * after.error
    spread = floor.sd * math.sqrt((seeds - 1) / seeds)
    if spread == 0:
        return float(found.gain > need)
    return _below(math.inf, (found.gain - need) / spread)


def _below(degrees: float, t: float) -> float:
    """Student's distribution function; of `inf` degrees the normal one."""
    from scipy.special import ndtr, stdtr  # what imports the flows need not wait for it

    return float(ndtr(t) if math.isinf(degrees) else stdtr(degrees, t))


def _quantile(degrees: float, tail: float) -> float:
    """What Student's t exceeds with probability `tail`."""
    from scipy.special import ndtri, stdtrit

    return -float(ndtri(tail) if math.isinf(degrees) else stdtrit(degrees, tail))
