"""Ranking of search candidates: the ranker, then the cross-encoder within its time budget."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from training.search.cross_encoder import CrossEncoder
    from training.search.engine import Candidates
    from training.search.features import ShopSignals
    from training.search.ranker import SearchRanker

CROSS_ENCODER = "cross_encoder"
ESTIMATE_SHARE = 0.3
"""Share of the latest duration in the estimate of the next one."""
RETRY_SECONDS = 30.0
"""How often a step is tried that was over its budget."""


@dataclass(frozen=True)
class Ranking:
    """What the ranking of candidates reads of the shop.

    signals, titles: of products by primary key, in their order
    budget_ms: most milliseconds that the cross-encoder may take; 0: off
    """

    signals: "Callable[[list[int]], ShopSignals]"
    titles: Callable[[list[int]], list[str]]
    budget_ms: float = 0


@dataclass(frozen=True, eq=False)
class Ranked:
    """Candidates in their final order.

    scores: (m,) of the first ones, which decide; by_ranker, added: by primary key, the score of the
        ranker, and what the cross-encoder added to it
    skipped: steps that would have exceeded their budget
    """

    candidates: "Candidates"
    scores: list[float] = field(default_factory=list)
    by_ranker: dict[int, float] = field(default_factory=dict)
    added: dict[int, float] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


class TimeBox:
    """Decides whether a step fits into its budget, by how long it took lately."""

    def __init__(self) -> None:
        self._seconds, self._tried_at = 0.0, -math.inf
        self._lock = Lock()

    def affords(self, n: int, budget_ms: float) -> bool:
        """True where `n` units are expected to take at most this long, or were not tried lately."""
        with self._lock:
            tried_lately = time.monotonic() < self._tried_at + RETRY_SECONDS
            return not tried_lately or self._seconds * n * 1000 <= budget_ms

    def took(self, n: int, seconds: float) -> None:
        """Note a duration of `n` units."""
        with self._lock:
            each = seconds / max(n, 1)
            known, self._tried_at = self._seconds or each, time.monotonic()
            self._seconds = (1 - ESTIMATE_SHARE) * known + ESTIMATE_SHARE * each


@dataclass(frozen=True, eq=False)
class Rankers:
    """What orders candidates: the ranker, and the cross-encoder with its time box."""

    ranker: "SearchRanker"
    cross_encoder: "CrossEncoder | None"
    time_box: TimeBox


def features_of(
    index: Any,
    candidates: "Candidates",
    plan: Any,
    semantic: Any,
    vector: Any,
    signals: "Callable[[list[int]], ShopSignals]",
) -> "tuple[Candidates, Any]":
    """(the candidates that the ranker orders, their features (m, features))."""
    import numpy as np

    from training.search.features import features
    from training.search.ranker import RANKED_MOST

    best = candidates.only(np.arange(min(RANKED_MOST, len(candidates))))
    return best, features(index, plan, best, semantic, vector, signals(best.keys.tolist()))


def rank(
    index: Any,
    candidates: "Candidates",
    plan: Any,
    semantic: Any,
    vector: Any,
    rankers: Rankers,
    ranking: Ranking,
) -> Ranked:
    """Order the best candidates by the ranker, and the first of these by the cross-encoder."""
    from training.search.ranker import ordered

    _, features = features_of(index, candidates, plan, semantic, vector, ranking.signals)
    best, scores = ordered(candidates, rankers.ranker.score(features))
    by_ranker = dict(zip(best.keys.tolist(), scores.tolist(), strict=False))  # of the first ones
    ranked = Ranked(best, scores.tolist(), by_ranker)
    if not ranking.budget_ms or rankers.cross_encoder is None:
        return ranked
    return _rerank(ranked, plan.meant, rankers, ranking)


def _rerank(ranked: Ranked, query: str, rankers: Rankers, ranking: Ranking) -> Ranked:
    from training.data.product_text import product_text
    from training.search.cross_encoder import RERANKED_MOST, reranked
    from training.search.ranker import ordered

    best, scores = ranked.candidates, ranked.scores
    keys = best.keys[: min(RERANKED_MOST, len(scores))].tolist()
    if not rankers.time_box.affords(len(keys), ranking.budget_ms):
        return replace(ranked, skipped=(CROSS_ENCODER,))
    began = time.perf_counter()
    titles = [product_text(title, None, None, None) for title in ranking.titles(keys)]
    added = rankers.cross_encoder.score(query, titles)
    rankers.time_box.took(len(keys), time.perf_counter() - began)
    best, final = ordered(best, reranked(best, scores, added))
    by_key = dict(zip(keys, added.tolist(), strict=True))
    return Ranked(best, final.tolist(), ranked.by_ranker, by_key)
