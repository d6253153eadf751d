"""Candidate sources: each declares itself here, scores products, and proposes its best ones.

A new source is an entry of `SOURCES`; ranking features, explanations and ablation read the table.
Its words for shoppers and merchandisers are in `recommender/recommendations/explanations.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from training.candidates import covisitation
from training.candidates.covisitation import Popularity
from training.candidates.ivf_index import IvfIndex
from training.candidates.scores import Scores, SharedScores, SparseScores
from training.candidates.sequence_model import SequenceModel
from training.candidates.text_similarity import TextSpace
from training.configuration.ranking_recipes import FusionConfig
from training.data.interactions import Histories, Interactions, days_between

COMMON = 50_000
"""Most products among which the sequence model chooses: the best-selling ones."""
FAINT = 0.01
"""Weight below which a text of a history is not read: products of baskets long ago."""
BASKET_DECAY = 0.8
"""Factor of a history entry's weight with each basket since."""


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
    ivf: IvfIndex | None = None

    @property
    def n_items(self) -> int:
        return len(self.popularity.stats)

    @cached_property
    def space(self) -> TextSpace:
        return TextSpace(self.vectors, self.ivf)

    @cached_property
    def common(self) -> tuple[np.ndarray, np.ndarray] | None:
        """Rows (m,) and sequence embeddings (m, dim) of the best-selling products, among which the
        sequence model looks for candidates in a large catalog; None: it scores all products.
        """
        if self.n_items <= COMMON:
            return None
        rows = np.sort(np.argsort(-self.popularity.column("sold"), kind="stable")[:COMMON])
        return rows, self.sequence.items[rows]

    @cached_property
    def trend(self) -> SharedScores:
        """Sales of the last 30 days; of products without any, a little for sales of all time."""
        sold_30, sold = self.popularity.column("sold_30"), self.popularity.column("sold")
        return SharedScores(sold_30 + 1e-3 * sold)

    def make_ready(self) -> None:
        """Derive now what the first list would derive, and what stays in memory from then on."""
        _ = self.trend.order
        if self.ivf is not None:
            _ = self.ivf.members
        elif self.vectors is not None:
            _ = self.space.distinct
        if self.sequence is not None:
            _ = self.common


@dataclass(frozen=True)
class LearnedSignals:
    """Learned parts of the signals: item vectors (items, dim), sequence model, IVF index.

    off: parts that were not learned, with the reason
    """

    vectors: np.ndarray | None = None
    sequence: SequenceModel | None = None
    off: dict[str, str] = field(default_factory=dict)
    ivf: IvfIndex | None = None


@dataclass(frozen=True)
class Counting:
    """Input of a source's count: interactions, sizes, time and configuration."""

    events: Interactions
    n_users: int
    n_items: int
    now: int
    config: FusionConfig


@dataclass(frozen=True)
class SourceQuery:
    """Input of a source's scoring: the histories of a shard of shoppers, the signals, the time."""

    past: Histories
    signals: Signals
    now: int


Weight = Callable[[Histories, int, float], np.ndarray]
"""(histories, now, half life in days) -> (entries,) float32 weight of each history entry."""


def recent(past: Histories, now: int, half_life_days: float) -> np.ndarray:
    """Weights of history entries (entries,) that decay by basket: event weight, less for each later
    basket. The time and the half-life have no influence.
    """
    return _decay(past) * _strength(past)


def recent_texts(past: Histories, now: int, half_life_days: float) -> np.ndarray:
    """Weights of history entries (entries,) as in `recent`; negligible ones are 0."""
    return np.where(_decay(past) < FAINT, 0, recent(past, now, half_life_days))


def fading(past: Histories, now: int, half_life_days: float) -> np.ndarray:
    """Weights of history entries (entries,) that decay by time, with the half-life."""
    return _fade(past, now, half_life_days) * _strength(past)


def slowly_fading(past: Histories, now: int, half_life_days: float) -> np.ndarray:
    """Weights of history entries (entries,) that decay by time, with twice the half-life."""
    return np.sqrt(_fade(past, now, half_life_days)) * _strength(past)


def _decay(past: Histories) -> np.ndarray:
    return (BASKET_DECAY**past.back).astype(np.float32)


def _fade(past: Histories, now: int, half_life_days: float) -> np.ndarray:
    return (0.5 ** (days_between(now, past.last) / half_life_days)).astype(np.float32)


def _strength(past: Histories) -> np.ndarray:
    return np.minimum(past.weight, 1.0)


@dataclass(frozen=True)
class Source:
    """One candidate source.

    reason: kind of reason that its score and rank stand for in explanations
    count: counts its matrix (items, items); None for a source without one
    weight: weight of each history entry; None where the history's own products are not multiplied
    score: scores of a shard, for a source without a matrix
    is_available: whether the signals hold what it needs
    """

    name: str
    reason: str
    count: Callable[[Counting], sp.csr_matrix] | None = None
    weight: Weight | None = None
    score: Callable[[SourceQuery], Scores] | None = None
    is_available: Callable[[Signals], bool] = lambda signals: True

    def available(self, signals: Signals) -> bool:
        if self.count is not None:
            return self.name in signals.matrices
        return self.is_available(signals)

    def scores(self, query: SourceQuery) -> Scores:
        """The scores of the products for a shard of shoppers; 0 where the source has none."""
        if self.score is not None:
            return self.score(query)
        signals, past = query.signals, query.past
        weights = self.weight(past, query.now, signals.half_life_days)
        return SparseScores.of(past.matrix(weights) @ signals.matrices[self.name])


def _text_scores(query: SourceQuery) -> Scores:
    weights = recent_texts(query.past, query.now, query.signals.half_life_days)
    return query.signals.space.score(query.past, weights)


SOURCES = (
    Source(
        "again",
        reason="again",
        score=lambda query: SparseScores.of(
            query.past.matrix(again_scores(query.past, query.signals, query.now))
        ),
    ),
    Source(
        "next",
        reason="bought_next",
        count=lambda c: covisitation.bought_next(c.events, c.n_items, c.config.neighbours),
        weight=recent,
    ),
    Source(
        "together",
        reason="bought_together",
        count=lambda c: covisitation.together(c.events, c.n_items, c.config.neighbours),
        weight=recent,
    ),
    Source(
        "similar",
        reason="similar",
        count=lambda c: covisitation.similar(
            c.events, c.n_users, c.n_items, c.config.neighbours, c.now, c.config.half_life_days
        ),
        weight=fading,
    ),
    Source(
        "ease",
        reason="similar",
        count=lambda c: covisitation.ease(
            c.events, c.n_users, c.n_items, c.config.neighbours, c.config.ease_regularisation
        ),
        weight=slowly_fading,
    ),
    Source(
        "sequence",
        reason="bought_next",
        score=lambda query: query.signals.sequence.score(query.past, query.signals.common),
        is_available=lambda signals: signals.sequence is not None,
    ),
    Source(
        "text",
        reason="text",
        weight=recent_texts,
        score=_text_scores,
        is_available=lambda signals: signals.vectors is not None,
    ),
    Source("trending", reason="popularity", score=lambda query: query.signals.trend),
)
"""All candidate sources, in the order of the ranking features."""
BY_NAME = {source.name: source for source in SOURCES}


def fit_signals(
    events: Interactions,
    n_users: int,
    n_items: int,
    now: int,
    config: FusionConfig,
    learned: LearnedSignals,
) -> Signals:
    """Fit all candidate sources: count the matrix of each from these interactions."""
    off = dict(learned.off)
    if n_items > config.ease_largest:
        off["ease"] = f"{n_items} products are more than ease_largest = {config.ease_largest}"
    off |= dict.fromkeys(config.parts_left_out & BY_NAME.keys(), "left out")
    counting = Counting(events, n_users, n_items, now, config)
    matrices = {
        source.name: source.count(counting)
        for source in SOURCES
        if source.count is not None and source.name not in off
    }
    return Signals(
        matrices,
        covisitation.popularity(events, n_items, now),
        learned.vectors,
        config.half_life_days,
        learned.sequence,
        off,
        learned.ivf,
    )


def sources_of(signals: Signals, config: FusionConfig) -> list[str]:
    """Names of the sources that are available and not left out, in order."""
    return [
        source.name
        for source in SOURCES
        if source.available(signals) and source.name not in config.parts_left_out
    ]


def again_scores(past: Histories, signals: Signals, now: int) -> np.ndarray:
    """Repurchase score of each history entry (entries,): the shopper's purchase occasions, decayed
    by time, times the product's repurchase rate.
    """
    rate = signals.popularity.column("again_rate")[past.item]
    occasions = np.maximum(past.bought, 0.3 * np.minimum(past.weight, 1.0))
    fade = 0.5 ** (days_between(now, past.last) / signals.half_life_days)
    return (occasions * fade * (0.05 + rate)).astype(np.float32)


def source_scores(
    past: Histories, signals: Signals, now: int, names: list[str]
) -> dict[str, Scores]:
    """Scores of the named sources for a shard of shoppers."""
    query = SourceQuery(past, signals, now)
    return {name: BY_NAME[name].scores(query) for name in names}


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
    """The union of every source's best `per_source` products, and the pairs `wanted`.

    allowed: (shoppers, items) bool: what may be proposed
    wanted: (shoppers (n,), items (n,)) that are included in any case; `alone`: no others
    """
    n_items = allowed.shape[1]
    k = min(per_source, n_items)
    best = {name: one.best(allowed, k) for name, one in scores.items()}
    codes = {
        name: source_best.user * n_items + source_best.item for name, source_best in best.items()
    }
    extra = [wanted[0] * n_items + wanted[1]] if wanted else []
    pairs = np.unique(np.concatenate(extra if alone else [*codes.values(), *extra]))
    places = {}
    for name, source_best in best.items():
        places[name] = np.full(len(pairs), k)
        at = np.searchsorted(pairs, codes[name])
        is_pair = np.append(pairs, -1)[at] == codes[name]
        places[name][at[is_pair]] = source_best.place[is_pair]
    tops = {name: source_best.top for name, source_best in best.items()}
    return Proposals(pairs // n_items, pairs % n_items, places, tops)
