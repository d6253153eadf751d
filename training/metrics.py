"""Ranking measures with binary relevance. One value per shopper, so that callers can average or compare."""

import numpy as np


def dcg_weights(k: int) -> np.ndarray:
    """1 / log2(rank + 1) for ranks 1 to k, shape (k,)."""
    return 1.0 / np.log2(np.arange(2, k + 2))


def ndcg_at_k(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Normalised discounted cumulative gain of the first k ranks.

    hits        (n, >= k) bool: is the product at this rank relevant?
    n_relevant  (n,) int: how many relevant products there were to find; the ideal has min(k, n_relevant) hits
    returns     (n,) float in [0, 1]; nan where there was nothing to find
    """
    weights = dcg_weights(k)
    ideal = np.concatenate([[0.0], np.cumsum(weights)])[np.minimum(n_relevant, k)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(ideal > 0, (hits[:, :k] @ weights) / ideal, np.nan)


def recall_at_k(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Share of the relevant products found in the first k ranks: (n,) in [0, 1], nan where there was nothing to find."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n_relevant > 0, hits[:, :k].sum(axis=1) / n_relevant, np.nan)


def mrr_at_k(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """1 / rank of the first relevant product within k, else 0: (n,) in [0, 1], nan where there was nothing to find."""
    found = hits[:, :k]
    value = np.where(found.any(axis=1), 1.0 / (found.argmax(axis=1) + 1), 0.0)
    return np.where(n_relevant > 0, value, np.nan)


def coverage_at_k(lists: np.ndarray, n_items: int, k: int) -> float:
    """Share of n_items that stands in at least one list's first k places; lists (n, >= k) rows, -1 where empty."""
    shown = np.unique(lists[:, :k])
    return float((shown >= 0).sum() / n_items) if n_items else 0.0


def bootstrap_interval(values: np.ndarray, seed: int = 0, rounds: int = 1000) -> tuple[float, float, float]:
    """Mean and its 95 % percentile interval over resampled shoppers (Efron 1979); nan values are left out."""
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = np.empty(rounds)
    for i in range(rounds):
        means[i] = values[rng.integers(0, len(values), len(values))].mean()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)
