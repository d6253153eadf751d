"""Injected surges: opinions of 20 topics are simulated, some days get three times the usual
complaints, and the detection is counted.

Each topic has 15 complaints a day on average, with a weekday pattern of 2 : 1 between the busiest
and the quietest day, and twice as many other opinions. 56 days of history come before the 60
watched days. A surge is found if it is detected on its day or the next one.
"""

import numpy as np

from bench.__main__ import measure
from training.opinions.surges import HISTORY, surges

TOPICS, DAYS, USUAL, FACTOR, SURGES = 20, 60, 15.0, 3.0, 40
SEEDS = range(10)
PATTERN = np.array([1.0, 0.85, 0.8, 0.9, 1.1, 1.6, 0.8])
LATEST = 1
"""Days after a surge on which it still counts as found."""


def run() -> dict[str, dict]:
    hits = detected = injected = false = 0
    delays: list[int] = []
    for seed in SEEDS:
        found, where = _watch(seed, SURGES)
        detected += len(found)
        injected += len(where)
        for topic, day in where:
            days = [at for t, at in found if t == topic and day <= at <= day + LATEST]
            hits += bool(days)
            delays += [min(days) - day] if days else []
        right = {(t, d + late) for t, d in where for late in range(LATEST + 1)}
        false += sum(one not in right for one in found)
    quiet = [len(_watch(seed, 0)[0]) for seed in SEEDS]
    return {
        "surge.precision": measure(1 - false / max(detected, 1), "share"),
        "surge.recall": measure(hits / injected, "share"),
        "surge.delay_days": measure(float(np.median(delays)), "days"),
        "surge.false_alerts": measure(float(np.mean(quiet)), "alerts in 60 quiet days"),
        "surge.most_false_alerts": measure(max(quiet), "alerts in 60 quiet days"),
    }


def _watch(seed: int, count: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """((topic, day) detected, (topic, day) injected) of the watched days."""
    rng = np.random.default_rng(seed)
    weekdays = np.arange(HISTORY + DAYS) % 7
    usual = USUAL * PATTERN[weekdays] / PATTERN.mean()
    negative = rng.poisson(np.broadcast_to(usual, (TOPICS, HISTORY + DAYS)))
    others = rng.poisson(np.broadcast_to(2 * usual, (TOPICS, HISTORY + DAYS)))
    places = rng.choice(TOPICS * DAYS, count, replace=False)
    where = [(int(place % TOPICS), int(place // TOPICS)) for place in places]
    for topic, day in where:
        negative[topic, HISTORY + day] = rng.poisson(FACTOR * usual[HISTORY + day])
    detected = []
    for day in range(DAYS):
        until = slice(0, HISTORY + day + 1)
        found = surges(negative[:, until], (negative + others)[:, until], 0)
        detected += [(one.series, day) for one in found]
    return detected, where
