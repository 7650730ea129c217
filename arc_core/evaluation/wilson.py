"""Wilson's interval of a proportion (JASA 1927), counting patients."""

from collections.abc import Sequence
from statistics import NormalDist

from arc_core.experiments.metric import Estimate


def wilson(hits: Sequence[bool], patients: Sequence[str], *, level: float = 0.95) -> Estimate | None:
    """The share of `hits`, one per image, with its interval; None without images.

    Images of one patient are not independent, so the interval is as wide as if each patient were one
    observation. Unlike a bootstrap's it has a width where the share is 0 or 1.
    """
    if not hits:
        return None
    share, n = sum(hits) / len(hits), len(set(patients))
    z2 = NormalDist().inv_cdf((1 + level) / 2) ** 2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = (z2 * (share * (1 - share) / n + z2 / (4 * n * n))) ** 0.5 / (1 + z2 / n)
    # Rounding must not push the ends past what they are at shares of 0 and 1.
    return Estimate(value=share, low=max(0.0, centre - half), high=min(1.0, centre + half), patients=n)
