"""Search metrics, for rooms that do not open the library."""

from collections.abc import Mapping, Sequence


def names() -> tuple[str, ...]:
    """The names of the metrics."""
    from training.metrics.search import MEASURES

    return MEASURES


def measures(ranked: Sequence[str], grades: Mapping[str, float], best: float) -> dict[str, float]:
    """Metrics of one query. ranked: item ids; grades: of judged ones; best: highest of the set."""
    from training.metrics.search import measures_of

    return measures_of(ranked, grades, best)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """(mean, low, high): 95 % interval over resampled queries; nan values are left out."""
    import numpy as np

    from training.metrics.ranking import bootstrap_interval

    return bootstrap_interval(np.array(values, dtype=float))


def overlap(one: Sequence[str], other: Sequence[str], k: int) -> float:
    """Share of the first k of both lists that they have in common."""
    from training.metrics import search

    return search.overlap(one, other, k)


def rbo(one: Sequence[str], other: Sequence[str]) -> float:
    """Rank-biased overlap of two lists: 1 equal, 0 disjoint."""
    from training.metrics import search

    return search.rbo(one, other)
