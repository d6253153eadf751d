"""Recommender: a loaded ranking checkpoint. Batch scoring and live lists use the same object."""

from dataclasses import dataclass, field

import lightgbm as lgb
import numpy as np
import scipy.sparse as sp

from training.candidates.sources import Signals, source_scores, sources_of
from training.configuration.ranking_recipes import FusionConfig
from training.data.interactions import Histories, histories, interactions
from training.data.segments import is_head
from training.data.snapshot import Events
from training.ranking.features import (
    Candidates,
    ItemFacts,
    candidates_of,
    feature_names,
    few_events,
    group_of,
)

RELATED = {"bought_together": "together", "similar": "similar", "bought_next": "next"}
"""Kinds of reasons of related products, and the matrix of each."""


@dataclass(slots=True)
class Recommendation:
    """One item of a ranking, by row.

    contributions, history, examples: only where the ranking computes them anyway: part of the score
    per kind of reason, shares of history products, and per kind the product that contributes most.
    """

    item: int
    score: float
    source: list[str]
    contributions: dict[str, float] = field(default_factory=dict)
    history: dict[int, float] = field(default_factory=dict)
    examples: dict[str, int] = field(default_factory=dict)


class Recommender:
    """Signals, product attributes and ranker of one checkpoint. `boost` is added to the score of
    products with few events.
    """

    def __init__(
        self,
        signals: Signals,
        facts: ItemFacts,
        ranker: lgb.Booster,
        config: FusionConfig,
        boost: float = 0.0,
    ) -> None:
        self.signals = signals
        self.facts = facts
        self.ranker = ranker
        self.config = config
        self.boost = boost
        self.features = feature_names(signals, config)
        self.groups = [group_of(name) for name in self.features]
        ranks = [
            (i, name.removesuffix("_rank"))
            for i, name in enumerate(self.features)
            if name.endswith("_rank")
        ]
        self._ranks, self._ranked_by = [i for i, _ in ranks], [name for _, name in ranks]

    @property
    def n_items(self) -> int:
        return self.signals.n_items

    def histories(self, events: Events, users: np.ndarray) -> Histories:
        """Weighted histories of these events per shopper. users: (n,) ascending."""
        return histories(interactions(events, self.config.event_weights), users, self.n_items)

    def allowed(
        self, past: Histories, showable: np.ndarray | None = None, only_new: bool = False
    ) -> np.ndarray:
        """(shoppers, items) bool: products eligible for each list. showable: (items,) bool; None:
        all.
        """
        allowed = (
            np.ones((past.n_users, self.n_items), dtype=bool)
            if showable is None
            else np.tile(showable, (past.n_users, 1))
        )
        if only_new:
            bought = past.bought > 0
            allowed[past.user[bought], past.item[bought]] = False
        return allowed

    def candidates(
        self,
        past: Histories,
        now: int,
        allowed: np.ndarray,
        wanted: tuple[np.ndarray, np.ndarray] | None = None,
        alone: bool = False,
    ) -> Candidates:
        """Candidates of each shopper of a shard with their features; plus the pairs `wanted`
        (shopper, item), or only the pairs `alone`.
        """
        return candidates_of(
            past, self.signals, self.facts, allowed, now, self.config, wanted, alone
        )

    def score(self, features: np.ndarray, threads: int = 1) -> np.ndarray:
        """Score candidates (n,) with the ranker. threads 0: all cores."""
        return self.ranker.predict(features, num_threads=threads) + self.boost * few_events(
            features, self.features
        )

    def contributions(self, features: np.ndarray) -> list[tuple[float, dict[str, float]]]:
        """Per candidate (n,): base score and contribution of each kind of reason, by TreeSHAP
        (Lundberg et al. 2020) and the boost. They sum to the score.
        """
        raw = self.ranker.predict(features, pred_contrib=True, num_threads=1)
        kinds = list(dict.fromkeys([*self.groups, *(["new"] if self.boost else [])]))
        sums = raw[:, :-1] @ (np.array(self.groups)[:, None] == np.array(kinds))
        if self.boost:
            sums[:, kinds.index("new")] += self.boost * few_events(features, self.features)
        return [
            (float(row[-1]), dict(zip(kinds, added.tolist(), strict=True)))
            for row, added in zip(raw, sums, strict=True)
        ]

    def places(self, features: np.ndarray) -> dict[str, int | None]:
        """Rank of one candidate in each source's list, from 1: source -> rank; None where that
        source did not propose it. features: (features,) of the candidate.
        """
        proposed = self._proposed(features[None])[0]
        return {
            name: int(features[i]) + 1 if is_proposed else None
            for i, name, is_proposed in zip(self._ranks, self._ranked_by, proposed, strict=True)
        }

    def _proposed(self, features: np.ndarray) -> np.ndarray:
        """(n, sources) bool: sources whose list contains each candidate. The score is two columns
        before the rank.
        """
        return (features[:, self._ranks] < self.config.candidates_per_source) & (
            features[:, [i - 2 for i in self._ranks]] > 0
        )

    def recommend(
        self,
        past: Histories,
        now: int,
        k: int,
        showable: np.ndarray | None = None,
        only_new: bool = False,
    ) -> list[list[Recommendation]]:
        """The k best products for each shopper of a shard. showable: (items,) bool, or None."""
        candidates = self.candidates(past, now, self.allowed(past, showable, only_new))
        if not len(candidates.user):
            return [[] for _ in range(past.n_users)]
        score = self.score(candidates.features)
        order = np.lexsort((candidates.item, -score, candidates.user))
        start = np.concatenate(
            [[0], np.cumsum(np.bincount(candidates.user, minlength=past.n_users))]
        )
        chosen = [order[start[u] : start[u + 1]][:k] for u in range(past.n_users)]
        return [self._listed(candidates, score, rows) for rows in chosen]

    def by_source(
        self, past: Histories, source: str, now: int, k: int, showable: np.ndarray | None = None
    ) -> list[list[Recommendation]]:
        """Ranking by one candidate source for each shopper; empty where the source does not exist.
        showable: (items,) bool, or None.
        """
        if source not in sources_of(self.signals, self.config):
            return [[] for _ in range(past.n_users)]
        allowed = self.allowed(past, showable)
        ranked = source_scores(past, self.signals, now, [source])[source].best(
            allowed, min(k, self.n_items)
        )
        lists: list[list[Recommendation]] = [[] for _ in range(past.n_users)]
        for user, item, place in zip(ranked.user, ranked.item, ranked.place, strict=True):
            lists[user].append(Recommendation(int(item), 1.0 / (place + 1), [source]))
        return lists

    def _listed(
        self, candidates: Candidates, score: np.ndarray, rows: np.ndarray
    ) -> list[Recommendation]:
        items = candidates.item[rows].tolist()
        scores = score[rows].tolist()
        proposed = self._proposed(candidates.features[rows]).tolist()
        source_names = [
            [name for name, is_proposed in zip(self._ranked_by, row, strict=True) if is_proposed]
            for row in proposed
        ]
        return [
            Recommendation(item, value, sources)
            for item, value, sources in zip(items, scores, source_names, strict=True)
        ]

    def related(
        self, items: list[int], k: int, showable: np.ndarray | None = None
    ) -> list[Recommendation]:
        """The k products most related to these (n,), by the normalized sum of the sources' scores.
        showable: (items,) bool, or None.
        """
        matrices = {
            kind: self.signals.matrices[name][items]
            for kind, name in RELATED.items()
            if name in self.signals.matrices
        }
        scores = {kind: np.asarray(m.sum(axis=0)).ravel() for kind, m in matrices.items()}
        scores = {kind: score / max(score.max(), 1e-9) for kind, score in scores.items()}
        if self.signals.vectors is not None:
            scores["text"] = self._text_similarity(items, showable)
        total = np.sum([np.zeros(self.n_items), *scores.values()], axis=0)
        total[items] = 0
        if showable is not None:
            total[~showable] = 0
        rows = np.flatnonzero(total > 0)
        best = rows[np.lexsort((rows, -total[rows]))[:k]]
        examples = self._examples(matrices, items, best)
        behind = {items[0]: 1.0} if len(items) == 1 else {}
        related = []
        for at, row in enumerate(best.tolist()):
            contributions = {kind: float(score[row]) for kind, score in scores.items()}
            kinds = [kind for kind, value in contributions.items() if value > 0]
            example = {kind: int(examples[kind][at]) for kind in kinds}
            related.append(
                Recommendation(row, float(total[row]), kinds, contributions, behind, example)
            )
        return related

    def _examples(
        self, matrices: dict[str, sp.csr_matrix], items: list[int], best: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Per kind of reason (n,): the one of `items` that contributes most to each of the products
        `best` (n,).

        matrices: per kind (items, products).
        """
        given = np.array(items)
        parts = {kind: matrix[:, best].toarray() for kind, matrix in matrices.items()}
        if self.signals.vectors is not None:
            space = self.signals.space
            parts["text"] = space.read(given) @ space.read(best).T
        return {kind: given[part.argmax(axis=0)] for kind, part in parts.items()}

    def _text_similarity(self, items: list[int], showable: np.ndarray | None) -> np.ndarray:
        """Similarity to the mean text of these products: (items,) in [0, 1]; 0 outside the nearest
        cells of the IVF index.
        """
        space = self.signals.space
        mean = space.read(np.array(items)).mean(axis=0)
        cosine = np.zeros(self.n_items, dtype=np.float32)
        rows = space.near(mean[None], showable)
        cosine[rows] = np.maximum(space.read(rows) @ mean, 0)
        cosine[items] = 0
        return (cosine / max(cosine.max(initial=0), 1e-9)) ** 4

    def likeness(self, items: np.ndarray) -> np.ndarray:
        """Similarity matrix of these products, (n, n) in [0, 1]: by text where available, else by
        common buyers.
        """
        if self.signals.vectors is not None:
            chosen = np.asarray(self.signals.vectors[items], np.float32)
            return np.clip(chosen @ chosen.T, 0, 1)
        both = self.signals.matrices["similar"][items][:, items].toarray()
        return np.clip(both / max(both.max(initial=0), 1e-9), 0, 1)

    def head(self) -> np.ndarray:
        """Indices (n,) of the best-selling fifth of the products."""
        return np.flatnonzero(is_head(self.signals.popularity.column("sold")))

    def popular(self, k: int, showable: np.ndarray | None = None) -> list[Recommendation]:
        """Products (n,) by sales of the last 30 days, for shoppers without a history. showable:
        (items,) bool, or None.
        """
        trend = self.signals.trend
        shown = np.ones(self.n_items, dtype=bool) if showable is None else showable
        best = trend.order[shown[trend.order]][:k]
        if len(best) < k:
            best = np.concatenate(
                [best, np.flatnonzero(shown & (trend.values <= 0))[: k - len(best)]]
            )
        return [Recommendation(int(i), float(trend.values[i]), ["trending"]) for i in best]
