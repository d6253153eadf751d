"""Confidence intervals of shares and of their differences."""

import math
from statistics import NormalDist


def wilson(rate: float, n: float, level: float = 0.95) -> tuple[float, float]:
    """Score interval of a share of n draws, n > 0 (Wilson 1927)."""
    z = NormalDist().inv_cdf(0.5 + level / 2)
    middle = rate + z * z / (2 * n)
    half = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max((middle - half) / (1 + z * z / n), 0.0), min((middle + half) / (1 + z * z / n), 1.0)


def difference(
    one: tuple[float, float], other: tuple[float, float], level: float = 0.95
) -> tuple[float, float]:
    """Interval of the difference of two independent shares, each (share, draws).

    Newcombe 1998, method 10.
    """
    (low, high), (other_low, other_high) = wilson(*one, level), wilson(*other, level)
    between = one[0] - other[0]
    return between - math.hypot(one[0] - low, other_high - other[0]), between + math.hypot(
        high - one[0], other[0] - other_low
    )
