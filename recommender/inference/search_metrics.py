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
    import numpy as np

    from training.search.clicks import fit_clicks, scaled

    rows = list(shown)
    clicked_queries = {query for _, query, _, _, is_clicked in rows if is_clicked}
    # Queries without a click say nothing, and would lower the scale of the others.
    rows = [row for row in rows if row[1] in clicked_queries]
    if not rows:
        return {}
    pairs: dict[tuple[str, str], int] = {}
    pair = [pairs.setdefault((query, item_id), len(pairs)) for _, query, item_id, _, _ in rows]
    position = np.array([place - 1 for _, _, _, place, _ in rows])
    model = fit_clicks(np.array(pair), position, np.array([row[4] for row in rows]))
    values = zip(scaled(model.relevance).tolist(), model.looks.tolist(), strict=True)
    return dict(zip(pairs, values, strict=True))
