"""How much error each comparison of a study may risk, so that the whole study risks no more than declared.

Online fallback (Tian & Ramdas 2021, "Online control of the familywise error rate", Statistical Methods in
Medical Research 30(4)): comparison k may err with probability α·γₖ, plus all that comparison k − 1 might if
that found an improvement. Σ γₖ = 1, so the chance of **any** false promotion in a study, however long it
runs, is at most α, however its comparisons depend on each other; they share their patients and their
champion.
"""

import math
from collections.abc import Iterable

EXPONENT = 1.3
"""γₖ ∝ k^−1.3. A larger one favours the first comparisons, a smaller one spends less on any."""


def share(number: int) -> float:
    """γₖ of the comparison of that number, from 1 on."""
    return float(number**-EXPONENT / _ZETA)


def allowance(alpha: float, promoted: Iterable[bool]) -> float:
    """The error that the next comparison may risk, after those whose outcomes are given, oldest first.

    `alpha` is what the study may risk in all, 0 < alpha < 1.
    """
    number, left = 1, 0.0
    for was_promoted in promoted:
        left = alpha * share(number) + left if was_promoted else 0.0
        number += 1
    return alpha * share(number) + left


def _zeta(s: float, terms: int = 1000) -> float:
    """Riemann's ζ(s), s > 1, by Euler and Maclaurin: exact to 1e-12."""
    n = float(terms)
    head = math.fsum(k**-s for k in range(1, terms))
    return float(head + n ** (1 - s) / (s - 1) + n**-s / 2 + s * n ** (-s - 1) / 12)


_ZETA = _zeta(EXPONENT)
