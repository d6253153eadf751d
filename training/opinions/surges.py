"""Surges of negative opinions: days on which a series has more of them than its own pattern says.

A series (a topic, or a topic of a product) surges where both its count and its share are too high:
more opinions of every kind, as in a sale, are no surge. Each is tested against the days before:

- count: negative binomial with the mean of the weekday. The weekday's factor is the series' own,
  shrunk to that of all series (empirical Bayes); the dispersion is never below Poisson's.
- share: binomial, against the share of negative opinions of the days before, where others exist.

The false discovery rate of the counts over all series of a day is held by Benjamini & Hochberg
(1995) where counts scatter like Poisson's or a little more; of series with few opinions in bursts,
more than this rate are false. The share has to be higher at the level of 5 %.
"""

from dataclasses import dataclass

import numpy as np
from scipy import stats

HISTORY = 56
"""Days before that a day is compared with, at most."""
FEWEST_DAYS = 14
"""Days before without which no series is tested."""
PRIOR = 10.0
"""Opinions that the pattern of all series weighs in that of one."""
EARLIER_SURGE = 1e-4
"""A day before with a smaller p-value is left out of the pattern."""
MEDIAN_OF_CHI_SQUARE = float(stats.chi2.median(1))
CAUTION = 1.2
"""Factor of the dispersion, which is estimated and not known."""
SHARE_LEVEL = 0.05
OTHERS = 0.02
"""Share of opinions that are not negative, below which the share says nothing."""


@dataclass(frozen=True)
class Surge:
    """A series on the tested day. expected: negative opinions; share, usual_share: negative ones
    among all; p: p-value; q: after the correction for all series
    """

    series: int
    count: int
    expected: float
    share: float
    usual_share: float
    p: float
    q: float


@dataclass(frozen=True, eq=False)
class _Pattern:
    """mean: (series, 7) expected by weekday; support: (series, 7) opinions that say so;
    dispersion: (series,), variance = mean + it * mean²
    """

    mean: np.ndarray
    support: np.ndarray
    dispersion: np.ndarray


def surges(
    negative: np.ndarray,
    total: np.ndarray,
    first_weekday: int,
    rate: float = 0.01,
    fewest: int = 5,
) -> list[Surge]:
    """The series that surge on the last day, the most certain first.

    negative, total: (series, days) opinions, of consecutive days; first_weekday: 0 to 6, of the
        first; rate: false discovery rate; fewest: negative opinions of a surge at least
    """
    days = negative.shape[1] - 1
    if days < FEWEST_DAYS or not len(negative):
        return []
    begin = max(0, days - HISTORY)
    weekdays = (first_weekday + np.arange(begin, days)) % 7
    before, today = negative[:, begin:days].astype(float), negative[:, days]
    pattern = _pattern(before, weekdays)
    weekday = (first_weekday + days) % 7
    expected = pattern.mean[:, weekday]
    # The mean is estimated: a gamma distribution of it adds its own dispersion.
    p = _excess(today, expected, pattern.dispersion + 1 / pattern.support[:, weekday])
    usual, share, of_share = _shares(negative, total, begin, days)
    p[(today < fewest) | (of_share > SHARE_LEVEL)] = 1.0
    q = stats.false_discovery_control(p)
    found = [
        Surge(
            int(i),
            int(today[i]),
            float(expected[i]),
            float(share[i]),
            float(usual[i]),
            float(p[i]),
            float(q[i]),
        )
        for i in np.flatnonzero(q <= rate)
    ]
    return sorted(found, key=lambda one: one.p)


def usual_band(negative: np.ndarray, first_weekday: int, level: float = 0.95) -> np.ndarray:
    """(3, days) of one series (days,): least, expected and most negative opinions of each day by
    the pattern of all days, with this probability.
    """
    weekdays = (first_weekday + np.arange(len(negative))) % 7
    pattern = _pattern(negative[None].astype(float), weekdays)
    expected, dispersion = pattern.mean[0, weekdays], pattern.dispersion[0]
    size, chance = _negative_binomial(expected, dispersion)
    tail = (1 - level) / 2
    low, high = (stats.nbinom.ppf(at, size, chance) for at in (tail, 1 - tail))
    return np.stack([low, expected, high])


def _pattern(before: np.ndarray, weekdays: np.ndarray) -> _Pattern:
    """Of (series, days) counts; days that surged themselves are left out."""
    usual = np.ones(before.shape, dtype=bool)
    for _ in range(2):
        mean, support = _by_weekday(before, usual, weekdays)
        expected = mean[:, weekdays]
        dispersion = _dispersion(before, expected, usual)
        usual = _excess(before, expected, dispersion[:, None]) >= EARLIER_SURGE
        usual |= ~usual.any(axis=1, keepdims=True)
    return _Pattern(mean, support, dispersion)


def _by_weekday(
    before: np.ndarray, usual: np.ndarray, weekdays: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """(series, 7) expected counts, and the opinions that each is estimated from."""
    is_day = (weekdays[:, None] == np.arange(7)).astype(float)  # (days, 7)
    counts, observed = (before * usual) @ is_day, usual @ is_day
    level = (before * usual).sum(axis=1) / np.maximum(usual.sum(axis=1), 1)  # (series,)
    for _ in range(3):  # levels and factors of days that were not all observed alike
        pooled = counts.sum(axis=0) / np.maximum((level[:, None] * observed).sum(axis=0), 1e-9)
        pooled = np.where(observed.sum(axis=0) > 0, pooled, 1.0)
        factor = (counts + PRIOR * pooled) / (level[:, None] * observed + PRIOR)
        level = (before * usual).sum(axis=1) / np.maximum((factor * observed).sum(axis=1), 1e-9)
    return level[:, None] * factor, counts + PRIOR


def _dispersion(before: np.ndarray, expected: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """(series,) from the median of Pearson's squared residuals, which a few surges do not move;
    half of it from all series, because one has few days.
    """
    safe = np.maximum(expected, 1e-9)
    residuals = np.where(usual, (before - expected) ** 2 / safe, np.nan)
    own = np.nanmedian(residuals, axis=1) / MEDIAN_OF_CHI_SQUARE
    scale = CAUTION * (own + np.nanmedian(own)) / 2
    mean = np.maximum((usual * expected).sum(axis=1) / np.maximum(usual.sum(axis=1), 1), 1e-9)
    return np.maximum(scale - 1, 0) / mean


def _excess(counts: np.ndarray, expected: np.ndarray, dispersion: np.ndarray) -> np.ndarray:
    """Probability of so many or more."""
    size, chance = _negative_binomial(np.maximum(expected, 1e-3), dispersion)
    return stats.nbinom.sf(counts - 1, size, chance)


def _negative_binomial(mean: np.ndarray, dispersion: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(size, probability) of scipy's parameters; a dispersion near 0 is Poisson's."""
    size = 1 / np.maximum(dispersion, 1e-6)
    return size, size / (size + mean)


def _shares(
    negative: np.ndarray, total: np.ndarray, begin: int, days: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(share before, share of the last day, its p-value), (series,) each."""
    all_before, before = total[:, begin:days].sum(axis=1), negative[:, begin:days].sum(axis=1)
    pooled = before.sum() / max(1, all_before.sum())
    usual = (before + PRIOR * pooled) / (all_before + PRIOR)
    share = negative[:, days] / np.maximum(total[:, days], 1)
    p = stats.binom.sf(negative[:, days] - 1, total[:, days], np.clip(usual, 1e-4, 1))
    return usual, share, np.where(1 - usual < OTHERS, 0.0, p)
