"""Search metrics, for rooms that do not open the library."""

from collections.abc import Iterable, Mapping, Sequence


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


def relevance_by_clicks(
    shown: Iterable[tuple[str, str, str, int, bool]],
) -> dict[tuple[str, str], tuple[float, float]]:
    """Per (query, item id): (relevance from 0 to 1 by a click model, expected looks), of queries
    with a click.

    shown: (list, query, item id, position from 1, whether it was clicked) of each shown product
    """
    import polars as pl

    from training.search.clicks import relevance_of_shown

    columns = {"list_id": pl.String, "query": pl.String, "item_id": pl.String}
    columns |= {"position": pl.Int64, "clicked": pl.Boolean}
    frame, _ = relevance_of_shown(pl.DataFrame(list(shown), schema=columns, orient="row"))
    return {
        (query, item_id): (relevance, looks) for query, item_id, relevance, looks in frame.rows()
    }
