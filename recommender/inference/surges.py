"""Surges of opinions: the statistics of `training.opinions.surges`, on plain numbers."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class FoundSurge:
    """A series that surges on the last day. expected: number of the usual pattern; share,
    usual_share: of the polarity among all opinions; q: after the correction for all series
    """

    series: int
    count: int
    expected: float
    share: float
    usual_share: float
    q: float


def surges_of(
    counts: Sequence[Sequence[int]],
    totals: Sequence[Sequence[int]],
    first_weekday: int,
    rate: float,
    fewest: int,
) -> list[FoundSurge]:
    """The series that surge on the last day, the most certain first.

    counts, totals: per series, of consecutive days: opinions of the polarity, and all
    first_weekday: 0 to 6, of the first day; rate: false discovery rate; fewest: of a surge
    """
    import numpy as np

    from training.opinions.surges import surges

    if not counts:
        return []
    found = surges(np.array(counts), np.array(totals), first_weekday, rate, fewest)
    return [
        FoundSurge(one.series, one.count, one.expected, one.share, one.usual_share, one.q)
        for one in found
    ]


def usual_band(counts: Sequence[int], first_weekday: int) -> list[tuple[float, float, float]]:
    """(least, expected, most) of each day by the pattern of all days; 95 %."""
    import numpy as np

    from training.opinions.surges import usual_band

    return [tuple(day) for day in usual_band(np.array(counts), first_weekday).T.tolist()]
