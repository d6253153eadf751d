"""Candidate generation: each source scores products for a shard of shoppers and proposes its best."""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from training import covisitation
from training.config import FusionConfig
from training.covisitation import Popularity
from training.history import Histories, Interactions, days_between

SOURCES = ("again", "next", "together", "similar", "ease", "text", "trending")
MATRIX_SOURCES = ("next", "together", "similar", "ease")

TEXT_TEMPERATURE = 0.2
"""Width of the text kernel. Chosen among 0.1, 0.2 and 0.3 on validation targets; the mean vector of a history ranks clearly worse."""
KERNEL_ROWS = 1024
"""History products whose kernel is held at once; bounds memory."""


@dataclass(frozen=True)
class Signals:
    """Everything counted of the shop at one moment, with the item vectors of the encoder.

    matrices  per source (items, items) float32 sparse: row = what was bought, column = what it speaks for
    vectors   (items, dim) float32 of unit length, or None without text
    """

    matrices: dict[str, sp.csr_matrix]
    popularity: Popularity
    vectors: np.ndarray | None
    half_life_days: float
    off: dict[str, str] = field(default_factory=dict)
    """Sources that are not there, with the reason."""

    @property
    def n_items(self) -> int:
        return len(self.popularity.stats)


def fit_signals(events: Interactions, n_users: int, n_items: int, now: int, config: FusionConfig, vectors: np.ndarray | None) -> Signals:
    """Count every source's matrix from these interactions."""
    k = config.neighbours
    matrices, off = {}, {}
    matrices["next"] = covisitation.bought_next(events, n_items, k)
    matrices["together"] = covisitation.together(events, n_items, k)
    matrices["similar"] = covisitation.similar(events, n_users, n_items, k, now, config.half_life_days)
    if n_items <= config.ease_largest:
        matrices["ease"] = covisitation.ease(events, n_users, n_items, k, config.ease_regularisation)
    else:
        off["ease"] = f"{n_items} products are more than ease_largest = {config.ease_largest}"
    if vectors is None:
        off["text"] = "no product has a text"
    return Signals(matrices, covisitation.popularity(events, n_items, now), vectors, config.half_life_days, off)


def history_weights(past: Histories, now: int, half_life_days: float) -> dict[str, np.ndarray]:
    """Per source, how much each history entry speaks: (entries,) float32. Directional sources look at the latest baskets."""
    fade = (0.5 ** (days_between(now, past.last) / half_life_days)).astype(np.float32)
    late = (0.8**past.back).astype(np.float32)
    strength = np.minimum(past.weight, 1.0)
    return {
        "next": late * strength,
        "together": late * strength,
        "similar": (fade * strength).astype(np.float32),
        "ease": np.sqrt(fade) * strength,
        "text": late * strength,
    }


def again_scores(past: Histories, signals: Signals, now: int) -> np.ndarray:
    """(entries,) how likely each product of the history is bought again: often bought by this shopper, lately, and by others again."""
    rate = signals.popularity.column("again_rate")[past.item]
    occasions = np.maximum(past.bought, 0.3 * np.minimum(past.weight, 1.0))
    return (occasions * 0.5 ** (days_between(now, past.last) / signals.half_life_days) * (0.05 + rate)).astype(np.float32)


def text_kernel(mine: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(n, items) in (0, 1]: how much products with the vectors `mine` (n, dim) speak for each product; 1 for the same text."""
    return np.exp((mine @ vectors.T - 1) / TEXT_TEMPERATURE)


def text_scores(past: Histories, weights: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """(shoppers, items) float32: the sum over the history of weight × kernel, so that each product of it has its own share."""
    total = np.zeros((past.n_users, len(vectors)), dtype=np.float32)
    items, place = np.unique(past.item, return_inverse=True)
    share = sp.csr_matrix((weights.astype(np.float32), place, past.start), shape=(past.n_users, len(items))).tocsc()
    for begin in range(0, len(items), KERNEL_ROWS):
        total += share[:, begin : begin + KERNEL_ROWS] @ text_kernel(vectors[items[begin : begin + KERNEL_ROWS]], vectors)
    return total


def source_scores(past: Histories, signals: Signals, now: int) -> dict[str, np.ndarray]:
    """Per source (shoppers, items) float32; 0 where a source says nothing."""
    weights = history_weights(past, now, signals.half_life_days)
    scores = {"again": past.matrix(again_scores(past, signals, now)).toarray()}
    for name, matrix in signals.matrices.items():
        scores[name] = (past.matrix(weights[name]) @ matrix).toarray()
    if signals.vectors is not None:
        scores["text"] = text_scores(past, weights["text"], signals.vectors)
    recent = signals.popularity.column("sold_30") + 1e-3 * signals.popularity.column("sold")
    scores["trending"] = np.broadcast_to(recent, (past.n_users, len(recent)))
    return scores


def propose(scores: dict[str, np.ndarray], allowed: np.ndarray, per_source: int) -> tuple[np.ndarray, np.ndarray]:
    """The union of every source's best `per_source` products: (shopper, item) pairs, sorted.

    allowed (shoppers, items) or (items,) bool: what may be proposed at all
    """
    n_users, n_items = next(iter(scores.values())).shape
    chosen = np.zeros((n_users, n_items), dtype=bool)
    k = min(per_source, n_items)
    for values in scores.values():
        masked = np.where(allowed, values, -np.inf)
        best = np.argpartition(-masked, k - 1, axis=1)[:, :k]
        positive = np.take_along_axis(masked, best, axis=1) > 0
        np.put_along_axis(chosen, best, np.take_along_axis(chosen, best, axis=1) | positive, axis=1)
    return np.nonzero(chosen)
