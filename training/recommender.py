"""Recommender: what a checkpoint serves; the same object for a shard in the worker and one shopper in the web process."""

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from training.candidates import MATRIX_SOURCES, Signals, again_scores, history_weights, text_kernel
from training.config import FusionConfig
from training.history import Histories, histories, interactions
from training.ranking import Candidates, ItemFacts, candidates_of, feature_names, group_of
from training.snapshot import Events


@dataclass(frozen=True)
class Recommendation:
    """One place of a list. `contributions` are exact: with `base` they sum to `score`."""

    item: int
    score: float
    source: list[str]
    base: float = 0.0
    contributions: dict[str, float] | None = None
    because: int | None = None
    """The history product that stands behind it most, if any."""
    because_share: float = 0.0
    companion: int | None = None
    """The same, but another product than the recommended one, which a shopper may have bought before."""


def _cause(mine: np.ndarray, share: np.ndarray, others: np.ndarray) -> dict:
    companion = int(mine[others.argmax()]) if others.max() > 0 else None
    return {"because": int(mine[share.argmax()]), "because_share": float(share.max()), "companion": companion}


class Recommender:
    """Signals, facts and the ranker of one checkpoint."""

    def __init__(self, signals: Signals, facts: ItemFacts, ranker: lgb.Booster, config: FusionConfig) -> None:
        self.signals, self.facts, self.ranker, self.config = signals, facts, ranker, config
        self.groups = [group_of(name) for name in feature_names(signals, config.use_popularity)]

    @property
    def n_items(self) -> int:
        return self.signals.n_items

    def histories(self, events: Events, users: np.ndarray) -> Histories:
        """What counts of these events, per shopper; `users` ascending."""
        return histories(interactions(events, self.config.event_weights), users, self.n_items)

    def recommend(
        self, past: Histories, now: int, k: int, showable: np.ndarray | None = None, only_new: bool = False, explain: int = 0
    ) -> list[list[Recommendation]]:
        """The k best products for each shopper of a shard, the first `explain` of them with contributions.

        showable (items,) bool: products that may be shown; None: all
        """
        allowed = np.ones((past.n_users, self.n_items), dtype=bool) if showable is None else np.tile(showable, (past.n_users, 1))
        if only_new:
            bought = past.bought > 0
            allowed[past.user[bought], past.item[bought]] = False
        found = candidates_of(past, self.signals, self.facts, allowed, now, self.config)
        if not len(found.user):
            return [[] for _ in range(past.n_users)]
        score = self.ranker.predict(found.features, num_threads=1)
        order = np.lexsort((found.item, -score, found.user))
        start = np.concatenate([[0], np.cumsum(np.bincount(found.user, minlength=past.n_users))])
        chosen = [order[start[u] : start[u + 1]][:k] for u in range(past.n_users)]
        return self._describe(past, found, score, chosen, explain, now)

    def _describe(
        self, past: Histories, found: Candidates, score: np.ndarray, chosen: list[np.ndarray], explain: int, now: int
    ) -> list[list[Recommendation]]:
        explained = np.concatenate([rows[:explain] for rows in chosen]) if explain else np.zeros(0, dtype=np.int64)
        reasons = dict(zip(explained.tolist(), self._reasons(past, found, explained, now), strict=True))
        sources = self._sources(found)
        lists = []
        for rows in chosen:
            lists.append([Recommendation(int(found.item[r]), float(score[r]), sources(r), **reasons.get(int(r), {})) for r in rows])
        return lists

    def _sources(self, found: Candidates):
        """Which sources proposed a candidate."""
        names = feature_names(self.signals, self.config.use_popularity)
        ranks = [(name.removesuffix("_rank"), i) for i, name in enumerate(names) if name.endswith("_rank")]
        limit = self.config.candidates_per_source

        def of(row: int) -> list[str]:
            return [name for name, i in ranks if found.features[row, i] < limit and found.features[row, i - 2] > 0]

        return of

    def _reasons(self, past: Histories, found: Candidates, rows: np.ndarray, now: int) -> list[dict]:
        """Exact contributions by kind for these candidates (in order of the shopper), and the history product behind each."""
        if not len(rows):
            return []
        exact = self.ranker.predict(found.features[rows], pred_contrib=True, num_threads=1)
        kinds = list(dict.fromkeys(self.groups))
        sums = np.zeros((len(rows), len(kinds)))
        for column, group in enumerate(self.groups):  # added one by one: the last bit of a matrix product depends on its number of rows
            sums[:, kinds.index(group)] += exact[:, column]
        weights = history_weights(past, now, self.signals.half_life_days) | {"again": again_scores(past, self.signals, now)}
        out: list[dict] = []
        users, begins = np.unique(found.user[rows], return_index=True)
        for user, begin, end in zip(users, begins, [*begins[1:], len(rows)], strict=True):
            causes = self._because(past, int(user), found.item[rows[begin:end]], dict(zip(kinds, sums[begin:end].T, strict=True)), weights)
            for i, cause in zip(range(begin, end), causes, strict=True):
                contributions = dict(zip(kinds, sums[i].tolist(), strict=True))
                out.append({"base": float(exact[i, -1]), "contributions": contributions, **cause})
        return out

    def _because(self, past: Histories, user: int, items: np.ndarray, sums: dict[str, np.ndarray], weights: dict[str, np.ndarray]) -> list[dict]:
        """For each of a shopper's items, the history product with the largest part in what speaks for it, and that part.

        Each source's score is a sum over the history, so its positive contribution is shared out in proportion.
        """
        entries = slice(past.start[user], past.start[user + 1])
        mine = past.item[entries]
        if not len(mine):
            return [{}] * len(items)
        credit = np.zeros((len(mine), len(items)))
        sources = [*self.signals.matrices, *(["text"] if self.signals.vectors is not None else []), "again"]
        kinds = [group_of(source) for source in sources]
        for source, kind in zip(sources, kinds, strict=True):
            speaks = self._speaks(source, mine, items, weights[source][entries])
            part = np.maximum(sums[kind], 0) / kinds.count(kind)
            credit += part * speaks / np.maximum(speaks.sum(axis=0), 1e-12)
        total = credit.sum(axis=0)
        others = np.where(mine[:, None] == items[None, :], 0.0, credit)
        return [_cause(mine, credit[:, i] / total[i], others[:, i]) if total[i] > 0 else {} for i in range(len(items))]

    def _speaks(self, source: str, mine: np.ndarray, items: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """(history, items) what each product of the history adds to the source's score of each item."""
        if source == "again":
            return np.where(mine[:, None] == items[None, :], weights[:, None], 0.0)
        if source in MATRIX_SOURCES:
            return weights[:, None] * self.signals.matrices[source][mine][:, items].toarray()
        return weights[:, None] * text_kernel(self.signals.vectors[mine], self.signals.vectors[items])

    def related(self, items: list[int], k: int, showable: np.ndarray | None = None) -> list[Recommendation]:
        """Products that go with these, best first: each source's neighbours, normalised and added up."""
        total, parts = np.zeros(self.n_items), {}
        for name in ("together", "similar", "next"):
            row = np.asarray(self.signals.matrices[name][items].sum(axis=0)).ravel()
            parts["bought_together" if name == "together" else "bought_next" if name == "next" else "similar"] = row / max(row.max(), 1e-9)
        if self.signals.vectors is not None:
            cosine = np.maximum(self.signals.vectors @ self.signals.vectors[items].mean(axis=0), 0)
            parts["text"] = np.maximum(cosine / max(np.delete(cosine, items).max(initial=0), 1e-9), 0) ** 4
        for values in parts.values():
            total += values
        total[items] = -np.inf
        if showable is not None:
            total[~showable] = -np.inf
        best = np.lexsort((np.arange(self.n_items), -total))[:k]
        cause = {"because": items[0], "because_share": 1.0, "companion": items[0]} if len(items) == 1 else {}
        found = [(int(i), {name: float(values[i]) for name, values in parts.items()}) for i in best if total[i] > 0]
        return [Recommendation(i, float(total[i]), [n for n in said if said[n] > 0], 0.0, said, **cause) for i, said in found]

    def popular(self, k: int, showable: np.ndarray | None = None) -> list[Recommendation]:
        """What sold most in the last 30 days; for shoppers of whom nothing is known."""
        recent = self.signals.popularity.column("sold_30") + 1e-3 * self.signals.popularity.column("sold")
        score = np.where(showable, recent, -1.0) if showable is not None else recent
        best = np.lexsort((np.arange(self.n_items), -score))[:k]
        return [Recommendation(int(i), float(score[i]), ["trending"]) for i in best if score[i] >= 0]
