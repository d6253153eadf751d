"""Search metrics with graded relevance, of one ranked list per query."""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np

from training.metrics.ranking import dcg_weights

MEASURES = ("ndcg@10", "judged_ndcg@10", "recall@50", "map", "mrr", "precision@10", "found")
RELEVANT_SHARE = 0.6
"""Least share of the highest grade of a relevant product."""


def measures_of(
    ranked: Sequence[Hashable], grades: Mapping[Hashable, float], best: float | None = None
) -> dict[str, float]:
    """The metrics of one query by name; nan without a relevant product.

    ranked: products, best first; grades: of the judged products, others are worth nothing;
    best: highest grade of the whole set, of which a share is relevant

    ndcg@10: of the list, with gain 2^grade − 1 (Burges et al. 2005)
    judged_ndcg@10: of the list without unjudged products; missing ones follow in any order
    recall@50: of the products with the highest grade
    map, mrr, precision@10: with relevance from `RELEVANT_SHARE` of the highest grade on
    found: 1 where anything was found, else 0
    """
    best = max(grades.values(), default=0.0) if best is None else best
    judged = [item for item in ranked if item in grades]
    missing = [item for item in grades if item not in set(judged)]
    perfect = {item for item, grade in grades.items() if grade >= best > 0}
    relevant = {item for item, grade in grades.items() if grade >= RELEVANT_SHARE * best > 0}
    values = list(grades.values())
    hits = np.array([item in relevant for item in ranked], dtype=bool)
    at = np.flatnonzero(hits)
    nothing = not relevant
    return {
        "ndcg@10": ndcg([grades.get(item, 0.0) for item in ranked], values, 10),
        "judged_ndcg@10": ndcg([grades[item] for item in [*judged, *missing]], values, 10),
        "recall@50": len(perfect & set(ranked[:50])) / len(perfect) if perfect else float("nan"),
        "map": float("nan") if nothing else _average_precision(at, len(relevant)),
        "mrr": float("nan") if nothing else (1 / (1 + at[0]) if len(at) else 0.0),
        "precision@10": float("nan") if nothing else float(hits[:10].sum() / 10),
        "found": float(len(ranked) > 0),
    }


def ndcg(ranked: Sequence[float], known: Sequence[float], k: int) -> float:
    """NDCG@k with gain 2^grade − 1. ranked: grades in the order of the list; known: of all judged
    products, for the ideal list. nan where all are 0.
    """
    weights = dcg_weights(k)
    ideal = 2.0 ** np.sort(np.asarray(known, dtype=np.float64))[::-1][:k] - 1
    best = float(ideal @ weights[: len(ideal)])
    gain = 2.0 ** np.asarray(ranked[:k], dtype=np.float64) - 1
    return float(gain @ weights[: len(gain)]) / best if best > 0 else float("nan")


def _average_precision(at: np.ndarray, relevant: int) -> float:
    """Mean precision at each relevant product; those that were not found count as 0."""
    return float((np.arange(1, len(at) + 1) / (at + 1)).sum() / relevant)


def overlap(one: Sequence[Hashable], other: Sequence[Hashable], k: int) -> float:
    """Share of the first k of both lists that they have in common."""
    first, second = set(one[:k]), set(other[:k])
    return len(first & second) / max(1, min(k, max(len(first), len(second))))


def rbo(one: Sequence[Hashable], other: Sequence[Hashable], p: float = 0.9) -> float:
    """Rank-biased overlap of two lists, extrapolated: 1 equal, 0 disjoint (Webber et al. 2010,
    equation 32). p: persistence; with 0.9 the first ten ranks have 86 % of the weight.
    """
    short, long = sorted((list(one), list(other)), key=len)
    if not short:
        return 1.0 if not long else 0.0
    seen_short: set[Hashable] = set()
    seen_long: set[Hashable] = set()
    common, total, common_short = 0, 0.0, 0
    for depth in range(1, len(long) + 1):
        item = long[depth - 1]
        common += item in seen_short
        seen_long.add(item)
        if depth <= len(short):
            other_item = short[depth - 1]
            common += other_item in seen_long
            seen_short.add(other_item)
        if depth == len(short):
            common_short = common
        share = common / depth
        if depth > len(short):
            share += common_short * (depth - len(short)) / (len(short) * depth)
        total += share * p**depth
    tail = (common - common_short) / len(long) + common_short / len(short)
    return (1 - p) / p * total + tail * p ** len(long)
