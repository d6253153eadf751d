"""Candidate generation: each source scores products for a shard of shoppers and proposes its best."""

from dataclasses import dataclass, field

import numpy as np
import scipy.sparse as sp

from training import covisitation
from training.config import FusionConfig
from training.covisitation import Popularity
from training.history import Histories, Interactions, days_between
from training.sequence import SequenceModel

SOURCES = ("again", "next", "together", "similar", "ease", "sequence", "text", "trending")
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
    sequence  the sequence model, or None
    """

    matrices: dict[str, sp.csr_matrix]
    popularity: Popularity
    vectors: np.ndarray | None
    half_life_days: float
    sequence: SequenceModel | None = None
    off: dict[str, str] = field(default_factory=dict)
    """Sources that are not there, with the reason."""

    @property
    def n_items(self) -> int:
        return len(self.popularity.stats)


@dataclass(frozen=True)
class Learnt:
    """What was learned of a shop beside counting: item vectors (items, dim), the sequence model; None with the reason in `off`."""

    vectors: np.ndarray | None = None
    sequence: SequenceModel | None = None
    off: dict[str, str] = field(default_factory=dict)


def fit_signals(events: Interactions, n_users: int, n_items: int, now: int, config: FusionConfig, learnt: Learnt) -> Signals:
    """Count every source's matrix from these interactions."""
    k, off = config.neighbours, dict(learnt.off)
    counted = {
        "next": lambda: covisitation.bought_next(events, n_items, k),
        "together": lambda: covisitation.together(events, n_items, k),
        "similar": lambda: covisitation.similar(events, n_users, n_items, k, now, config.half_life_days),
        "ease": lambda: covisitation.ease(events, n_users, n_items, k, config.ease_regularisation),
    }
    if n_items > config.ease_largest:
        off["ease"] = f"{n_items} products are more than ease_largest = {config.ease_largest}"
    off |= dict.fromkeys(config.parts_left_out & set(SOURCES), "left out")
    matrices = {name: count() for name, count in counted.items() if name not in off}
    stats = covisitation.popularity(events, n_items, now)
    return Signals(matrices, stats, learnt.vectors, config.half_life_days, learnt.sequence, off)


def sources_of(signals: Signals, config: FusionConfig) -> list[str]:
    """The sources that are there and not left out, in order."""
    there = {"again", "trending", *signals.matrices}
    there |= {name for name, model in (("text", signals.vectors), ("sequence", signals.sequence)) if model is not None}
    return [name for name in SOURCES if name in there - config.parts_left_out]


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


def source_scores(past: Histories, signals: Signals, now: int, sources: list[str]) -> dict[str, np.ndarray]:
    """For each of these sources (shoppers, items) float32; 0 where it says nothing."""
    weights = history_weights(past, now, signals.half_life_days)
    recent = signals.popularity.column("sold_30") + 1e-3 * signals.popularity.column("sold")
    score = {
        "again": lambda: past.matrix(again_scores(past, signals, now)).toarray(),
        "text": lambda: text_scores(past, weights["text"], signals.vectors),
        "sequence": lambda: signals.sequence.scores(past),
        "trending": lambda: np.broadcast_to(recent, (past.n_users, len(recent))),
    }
    score |= {name: lambda name=name: (past.matrix(weights[name]) @ signals.matrices[name]).toarray() for name in signals.matrices}
    return {name: score[name]() for name in sources}


@dataclass(frozen=True)
class Proposals:
    """(shopper, item) pairs that some source proposed, sorted.

    places  per source (n,) int: the pair's place in the source's own list, from 0; the list's length where it is not in it
    tops    per source (shoppers,) float32: its largest score, 0 where it proposed nothing
    """

    user: np.ndarray
    item: np.ndarray
    places: dict[str, np.ndarray]
    tops: dict[str, np.ndarray]


def propose(scores: dict[str, np.ndarray], allowed: np.ndarray, per_source: int, wanted: tuple[np.ndarray, np.ndarray] | None = None) -> Proposals:
    """The union of every source's best `per_source` products, and the pairs `wanted` whoever proposes them.

    allowed (shoppers, items) bool: what may be proposed at all
    """
    chosen = np.zeros(allowed.shape, dtype=bool)
    k = min(per_source, allowed.shape[1])
    best = {name: _best(np.where(allowed, values, 0), k) for name, values in scores.items()}
    for rows, items, _ in best.values():
        chosen[rows, items] = True
    if wanted is not None:
        chosen[wanted] = True
    user, item = np.nonzero(chosen)
    places, place = {}, np.empty(allowed.shape, dtype=np.int32)
    for name, (rows, items, _) in best.items():
        place.fill(k)
        start = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(allowed)))])
        place[rows, items] = np.arange(len(rows)) - start[rows]
        places[name] = place[user, item]
    return Proposals(user, item, places, {name: top for name, (_, _, top) in best.items()})


def _best(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n,) rows and items of each row's k largest positive values, by row, then by falling value, ties by item; (rows,) the largest."""
    items = np.argpartition(-values, k - 1, axis=1)[:, :k]
    found = np.take_along_axis(values, items, axis=1)
    order = np.lexsort((items, -found), axis=1)
    items, found = np.take_along_axis(items, order, axis=1), np.take_along_axis(found, order, axis=1)
    return np.nonzero(found > 0)[0], items[found > 0], np.maximum(found[:, 0], 0)
