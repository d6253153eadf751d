"""Candidate generation: each source scores products for a shard of shoppers and proposes its
best.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from training.candidates import covisitation
from training.candidates.covisitation import Popularity
from training.candidates.ivf_index import Cells
from training.candidates.scores import Scores, Shared, Sparse
from training.candidates.sequence_model import SequenceModel
from training.candidates.text_similarity import TextSpace
from training.configuration.recipes import FusionConfig
from training.data.interactions import Histories, Interactions, days_between

SOURCES = ("again", "next", "together", "similar", "ease", "sequence", "text", "trending")
MATRIX_SOURCES = ("next", "together", "similar", "ease")

COMMON = 50_000
"""The sequence model chooses from so many products at most, those that sell best: of others it
knows little.
"""
FAINT = 0.01
"""What speaks less than so much for a text is not heard: the products of baskets long ago."""


@dataclass(frozen=True)
class Signals:
    """Everything counted of the shop at one moment, with the item vectors of the encoder.

    matrices: per source (items, items) float32 sparse: row = what was bought, column = what it
        speaks for
    vectors: (items, dim) float32 of unit length, or None without text
    sequence: the sequence model, or None
    """

    matrices: dict[str, sp.csr_matrix]
    popularity: Popularity
    vectors: np.ndarray | None
    half_life_days: float
    sequence: SequenceModel | None = None
    off: dict[str, str] = field(default_factory=dict)
    """Sources that are not there, with the reason."""
    cells: Cells | None = None
    """Where a product's vector lies, in shops with many."""

    @property
    def n_items(self) -> int:
        return len(self.popularity.stats)

    @cached_property
    def space(self) -> TextSpace:
        return TextSpace(self.vectors, self.cells)

    @cached_property
    def common(self) -> tuple[np.ndarray, np.ndarray] | None:
        """The best-selling products, which the sequence model chooses from, and what it knows
        of each; None: it chooses from all.
        """
        if self.n_items <= COMMON:
            return None
        rows = np.sort(np.argsort(-self.popularity.column("sold"), kind="stable")[:COMMON])
        return rows, self.sequence.items[rows]

    @cached_property
    def trend(self) -> Shared:
        """What sold in the last 30 days; of products that did not, what sold ever."""
        return Shared(self.popularity.column("sold_30") + 1e-3 * self.popularity.column("sold"))

    def make_ready(self) -> None:
        """Derive now what the first question would derive, and what stays from then on."""
        _ = self.trend.order
        if self.cells is not None:
            _ = self.cells.members
        elif self.vectors is not None:
            _ = self.space.different
        if self.sequence is not None:
            _ = self.common


@dataclass(frozen=True)
class Learnt:
    """What was learned of a shop beside counting: item vectors (items, dim), the sequence
    model; None with the reason in `off`.
    """

    vectors: np.ndarray | None = None
    sequence: SequenceModel | None = None
    off: dict[str, str] = field(default_factory=dict)
    cells: Cells | None = None


def fit_signals(
    events: Interactions, n_users: int, n_items: int, now: int, config: FusionConfig, learnt: Learnt
) -> Signals:
    """Count every source's matrix from these interactions."""
    k, off = config.neighbours, dict(learnt.off)
    counted = {
        "next": lambda: covisitation.bought_next(events, n_items, k),
        "together": lambda: covisitation.together(events, n_items, k),
        "similar": lambda: covisitation.similar(
            events, n_users, n_items, k, now, config.half_life_days
        ),
        "ease": lambda: covisitation.ease(events, n_users, n_items, k, config.ease_regularisation),
    }
    if n_items > config.ease_largest:
        off["ease"] = f"{n_items} products are more than ease_largest = {config.ease_largest}"
    off |= dict.fromkeys(config.parts_left_out & set(SOURCES), "left out")
    matrices = {name: count() for name, count in counted.items() if name not in off}
    stats = covisitation.popularity(events, n_items, now)
    return Signals(
        matrices, stats, learnt.vectors, config.half_life_days, learnt.sequence, off, learnt.cells
    )


def sources_of(signals: Signals, config: FusionConfig) -> list[str]:
    """The sources that are there and not left out, in order."""
    there = {"again", "trending", *signals.matrices}
    there |= {
        name
        for name, model in (("text", signals.vectors), ("sequence", signals.sequence))
        if model is not None
    }
    return [name for name in SOURCES if name in there - config.parts_left_out]


def history_weights(past: Histories, now: int, half_life_days: float) -> dict[str, np.ndarray]:
    """Per source, how much each history entry speaks: (entries,) float32.

    Directional sources look at the latest baskets.
    """
    fade = (0.5 ** (days_between(now, past.last) / half_life_days)).astype(np.float32)
    late = (0.8**past.back).astype(np.float32)
    strength = np.minimum(past.weight, 1.0)
    return {
        "next": late * strength,
        "together": late * strength,
        "similar": (fade * strength).astype(np.float32),
        "ease": np.sqrt(fade) * strength,
        "text": np.where(late < FAINT, 0, late * strength),
    }


def again_scores(past: Histories, signals: Signals, now: int) -> np.ndarray:
    """(entries,) how likely each product of the history is bought again: often bought by this
    shopper, lately, and by others again.
    """
    rate = signals.popularity.column("again_rate")[past.item]
    occasions = np.maximum(past.bought, 0.3 * np.minimum(past.weight, 1.0))
    return (
        occasions * 0.5 ** (days_between(now, past.last) / signals.half_life_days) * (0.05 + rate)
    ).astype(np.float32)


def source_scores(
    past: Histories, signals: Signals, now: int, sources: list[str]
) -> dict[str, Scores]:
    """What each of these sources says of the products to each shopper; 0 where it says nothing."""
    weights = history_weights(past, now, signals.half_life_days)
    score = {
        "again": lambda: Sparse.of(past.matrix(again_scores(past, signals, now))),
        "text": lambda: signals.space.asked(past, weights["text"]),
        "sequence": lambda: signals.sequence.asked(past, signals.common),
        "trending": lambda: signals.trend,
    }
    score |= {
        name: lambda name=name: Sparse.of(past.matrix(weights[name]) @ signals.matrices[name])
        for name in signals.matrices
    }
    return {name: score[name]() for name in sources}


@dataclass(frozen=True)
class Proposals:
    """(shopper, item) pairs that some source proposed, sorted.

    places: per source (n,) int: the pair's place in the source's own list, from 0; the list's
        length where it is not in it
    tops: per source (shoppers,) float32: its largest score, 0 where it proposed nothing
    """

    user: np.ndarray
    item: np.ndarray
    places: dict[str, np.ndarray]
    tops: dict[str, np.ndarray]


def propose(
    scores: dict[str, Scores],
    allowed: np.ndarray,
    per_source: int,
    wanted: tuple[np.ndarray, np.ndarray] | None = None,
    alone: bool = False,
) -> Proposals:
    """The union of every source's best `per_source` products, and the pairs `wanted` whoever
    proposes them; `alone`: these and no others.

    allowed (shoppers, items) bool: what may be proposed at all
    """
    n_items = allowed.shape[1]
    k = min(per_source, n_items)
    best = {name: one.best(allowed, k) for name, one in scores.items()}
    code = {name: found.user * n_items + found.item for name, found in best.items()}
    asked = [wanted[0] * n_items + wanted[1]] if wanted else []
    pairs = np.unique(np.concatenate(asked if alone else [*code.values(), *asked]))
    places = {}
    for name, found in best.items():
        places[name] = np.full(len(pairs), k)
        at = np.searchsorted(pairs, code[name])
        there = np.append(pairs, -1)[at] == code[name]
        places[name][at[there]] = found.place[there]
    return Proposals(
        pairs // n_items, pairs % n_items, places, {name: found.top for name, found in best.items()}
    )
