"""Ranking metrics with binary relevance. Each returns one value per shopper, for averages and
paired comparisons.
"""

import numpy as np


def dcg_weights(k: int) -> np.ndarray:
    """Discounts 1 / log2(rank + 1) of ranks 1 to k: (k,)."""
    return 1.0 / np.log2(np.arange(2, k + 2))


def ndcg_at_k(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Normalized discounted cumulative gain at k (Järvelin & Kekäläinen 2002).

    hits: (n, >= k) bool: relevance of the product at each rank
    n_relevant: (n,) int number of relevant products; the ideal list has min(k, n_relevant) hits
    returns: (n,) float in [0, 1]; nan without relevant products
    """
    weights = dcg_weights(k)
    ideal = np.concatenate([[0.0], np.cumsum(weights)])[np.minimum(n_relevant, k)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(ideal > 0, (hits[:, :k] @ weights) / ideal, np.nan)


def recall_at_k(hits: np.ndarray, n_relevant: np.ndarray, k: int) -> np.ndarray:
    """Recall at k: share of the relevant products within the first k ranks. (n,) in [0, 1]; nan
    without relevant products.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(n_relevant > 0, hits[:, :k].sum(axis=1) / n_relevant, np.nan)


def coverage_at_k(lists: np.ndarray, n_items: int, k: int) -> float:
    """Catalog coverage at k: share of n_items that occurs in at least one list. lists: (n, >= k)
    rows, -1 where empty.
    """
    shown = np.unique(lists[:, :k])
    return float((shown >= 0).sum() / n_items) if n_items else 0.0


def diversity_at_k(lists: np.ndarray, vectors: np.ndarray, k: int) -> np.ndarray:
    """Intra-list diversity at k: mean of 1 − cosine over pairs of products (Ziegler et al. 2005).

    lists: (n, >= k) rows, -1 where empty; vectors: (items, dim) of unit length. Returns (n,), nan
    with fewer than two products.
    """
    shown = lists[:, :k]
    filled = shown >= 0
    total = (np.where(filled[..., None], vectors[shown], 0.0)).sum(axis=1)
    count = filled.sum(axis=1)
    pairs = count * (count - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(pairs > 0, 1 - ((total**2).sum(axis=1) - count) / pairs, np.nan)


def mean_shown(lists: np.ndarray, values: np.ndarray, k: int) -> np.ndarray:
    """Mean of `values` (items,) over each list's products: (n,), nan for an empty list."""
    shown = lists[:, :k]
    filled = shown >= 0
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(
            filled.any(axis=1),
            np.where(filled, values[shown], 0.0).sum(axis=1) / filled.sum(axis=1),
            np.nan,
        )


def self_information(buyers: np.ndarray, n_users: int) -> np.ndarray:
    """Novelty of each product: −log2 of the share of shoppers who have it (Zhou et al. 2010).
    (items,) bits; products without buyers count as one.
    """
    return -np.log2(np.clip(buyers, 1, max(n_users, 1)) / max(n_users, 1))


def gini(exposure: np.ndarray) -> float:
    """Gini coefficient of (items,) exposures: 0 with equal exposure, near 1 with all exposure on
    one product; nan without exposure.
    """
    if not exposure.sum():
        return float("nan")
    ordered = np.sort(exposure)
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))


def miscalibration_at_k(
    lists: np.ndarray, history: np.ndarray, group: np.ndarray, k: int, smoothing: float = 0.01
) -> np.ndarray:
    """Divergence of a list's mix of groups from the history's: KL(p ‖ (1 − α) q + α p) (Steck 2018,
    "Calibrated recommendations").

    history: (n, groups) counts; group: (items,) int, -1 where unknown. Returns (n,) nats, nan
    without a known group in either.
    """
    shown = lists[:, :k]
    of = np.where(shown >= 0, group[shown], -1)
    counts = np.stack([(of == g).sum(axis=1) for g in range(history.shape[1])], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = history / history.sum(axis=1, keepdims=True)
        q = counts / counts.sum(axis=1, keepdims=True)
        terms = np.where(p > 0, p * np.log(p / ((1 - smoothing) * q + smoothing * p)), 0.0)
    return np.where((history.sum(axis=1) > 0) & (counts.sum(axis=1) > 0), terms.sum(axis=1), np.nan)


def bootstrap_interval(
    values: np.ndarray, seed: int = 0, rounds: int = 1000
) -> tuple[float, float, float]:
    """Mean and 95 % percentile interval over resampled shoppers (Efron 1979). (n,) values; nan
    values are left out.
    """
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = np.empty(rounds)
    for i in range(rounds):
        means[i] = values[rng.integers(0, len(values), len(values))].mean()
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def bootstrap_statistic(
    statistic, n: int, seed: int = 0, rounds: int = 200
) -> tuple[float, float, float]:
    """`statistic` of all rows and its 95 % percentile interval over resampled rows. `statistic`
    takes row numbers (n,) and may return nan.
    """
    if n == 0:
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    values = np.array([statistic(rng.integers(0, n, n)) for _ in range(rounds)])
    values = values[~np.isnan(values)]
    low, high = np.percentile(values, [2.5, 97.5]) if len(values) else (np.nan, np.nan)
    return float(statistic(np.arange(n))), float(low), float(high)


def ndcg_graded(grades: np.ndarray, k: int) -> float:
    """NDCG@k of one list with gain 2^grade − 1 (Burges et al. 2005). grades: (n,) of all products
    in ranked order; nan where all are 0.
    """
    gain = 2.0**grades - 1
    weights = dcg_weights(min(k, len(gain)))
    ideal = float(np.sort(gain)[::-1][: len(weights)] @ weights)
    return float(gain[: len(weights)] @ weights / ideal) if ideal > 0 else float("nan")


K = 10
