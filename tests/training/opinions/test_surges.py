"""Surges of negative opinions, on simulated series with a weekday pattern of 2 : 1."""

import numpy as np
import pytest

from training.opinions.surges import FEWEST_DAYS, HISTORY, surges, usual_band

TOPICS, NEGATIVE, POSITIVE = 20, 15, 30
WEEK = np.array([2, 2, 2, 2, 2, 1, 1]) / (12 / 7)


def counts(seed: int, days: int) -> tuple[np.ndarray, np.ndarray]:
    """(negative, positive) opinions (topics, days), Poisson about the weekday's mean."""
    rng, week = np.random.default_rng(seed), WEEK[np.arange(days) % 7]
    shape = (TOPICS, days)
    return (
        rng.poisson(np.broadcast_to(NEGATIVE * week, shape)),
        rng.poisson(np.broadcast_to(POSITIVE * week, shape)),
    )


def found(negative: np.ndarray, total: np.ndarray, days: range) -> set[tuple[int, int]]:
    return {
        (one.series, day)
        for day in days
        for one in surges(negative[:, : day + 1], total[:, : day + 1], 0)
    }


@pytest.mark.parametrize("seed", range(3))
def test_injected_surges_are_found_the_same_day(seed: int) -> None:
    days, rng = HISTORY + 60, np.random.default_rng(100 + seed)
    negative, positive = counts(seed, days)
    truth = {(int(rng.integers(TOPICS)), day) for day in range(HISTORY, days, 3)}
    for topic, day in truth:
        negative[topic, day] = rng.poisson(3 * NEGATIVE * WEEK[day % 7])
    got = found(negative, negative + positive, range(HISTORY, days))
    assert len(got & truth) >= 0.85 * len(truth)
    assert len(got & truth) >= 0.9 * len(got)


@pytest.mark.parametrize("seed", range(3))
def test_quiet_days_stay_quiet(seed: int) -> None:
    negative, positive = counts(seed, HISTORY + 60)
    assert len(found(negative, negative + positive, range(HISTORY, HISTORY + 60))) <= 2


def test_more_opinions_of_every_kind_are_no_surge() -> None:
    negative, positive = counts(0, HISTORY + 1)
    negative[3, -1] = 3 * NEGATIVE * WEEK[HISTORY % 7]
    calm = negative + positive
    calm[3, -1] = 3 * (NEGATIVE + POSITIVE) * WEEK[HISTORY % 7]
    assert not surges(negative, calm, 0)
    (one,) = surges(negative, negative + positive, 0)
    assert one.series == 3 and one.count == negative[3, -1]
    assert one.expected == pytest.approx(NEGATIVE * WEEK[HISTORY % 7], rel=0.3)
    assert one.share > one.usual_share and one.p <= one.q <= 0.01


def test_a_weekday_that_always_has_more_is_no_surge() -> None:
    days = np.arange(HISTORY + 1)
    series = np.where(days % 7 == 0, 60, 10)[None].repeat(2, axis=0)
    assert HISTORY % 7 == 0
    assert not surges(series, series, 0)
    series[1, -1] = 180
    assert [one.series for one in surges(series, series, 0)] == [1]


def test_an_earlier_surge_does_not_hide_the_next() -> None:
    negative, positive = counts(1, HISTORY + 1)
    negative[5, [10, 25, 40]] = 200
    negative[5, -1] = 3 * NEGATIVE * WEEK[HISTORY % 7]
    assert [one.series for one in surges(negative, negative + positive, 0)] == [5]


def test_too_few_days_or_opinions_say_nothing() -> None:
    negative = np.zeros((3, FEWEST_DAYS + 1), dtype=int)
    negative[:, -1] = [0, 4, 50]
    assert [one.series for one in surges(negative, negative, 0)] == [2]
    assert not surges(negative[:, 1:], negative[:, 1:], 0)
    assert not surges(negative[:0], negative[:0], 0)


def test_a_new_series_is_compared_with_the_share_of_all():
    negative, positive = counts(4, HISTORY + 1)
    negative[0], positive[0] = 0, 0
    negative[0, -1], positive[0, -1] = 5, 10
    assert not surges(negative, negative + positive, 0)
    assert isinstance(surges(negative * 9, negative * 9, 0)[0].series, int)


def test_the_usual_band_holds_most_days() -> None:
    negative, _ = counts(2, 84)
    low, expected, high = usual_band(negative[0], 0)
    assert ((low <= negative[0]) & (negative[0] <= high)).mean() >= 0.9
    assert (low <= expected).all() and (expected <= high).all()
