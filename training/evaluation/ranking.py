"""Evaluation of rankings over all products, with baselines and bootstrap intervals over
shoppers.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import rankdata

from training.candidates.sources import BY_NAME, Signals, again_scores, recent_texts
from training.candidates.text_similarity import TextSpace
from training.configuration.ranking_recipes import FusionConfig
from training.data.interactions import Histories, histories
from training.data.segments import product_groups, shopper_groups
from training.data.snapshot import Snapshot
from training.data.splits import Window
from training.inference.recommender import Recommender
from training.metrics.ranking import (
    K,
    bootstrap_interval,
    coverage_at_k,
    diversity_at_k,
    gini,
    mean_shown,
    miscalibration_at_k,
    ndcg_at_k,
    recall_at_k,
    self_information,
)
from training.ranking.ranker import allowed_products, shards, top_lists

MOST_GROUPS = 200
"""Maximum number of categories for the comparison of category mixes."""


@dataclass(frozen=True)
class Ranked:
    """The first K products for each shopper of a window. lists: (users, K), -1 where empty."""

    window: Window
    lists: np.ndarray

    def hits(self) -> np.ndarray:
        """(users, K) bool: whether the product at each rank is a target."""
        owner = np.repeat(np.arange(len(self.window.users)), np.diff(self.window.start)).astype(
            np.int64
        )
        wanted = owner * self.window.n_items + self.window.target
        shown = (
            np.arange(len(self.lists))[:, None].astype(np.int64) * self.window.n_items + self.lists
        )
        return np.isin(shown, wanted) & (self.lists >= 0)

    def ndcg(self) -> np.ndarray:
        """NDCG@10 of each shopper: (users,)."""
        return ndcg_at_k(self.hits(), np.diff(self.window.start), K)

    def recall(self) -> np.ndarray:
        """Recall@10 of each shopper: (users,)."""
        return recall_at_k(self.hits(), np.diff(self.window.start), K)


def rank_by_scores(
    window: Window, score: Callable[[Histories], np.ndarray], config: FusionConfig
) -> Ranked:
    """Rank every allowed product by `score(past)`, (shoppers, items); ties by item."""
    lists = []
    for _, past in shards(window, config):
        values = np.where(allowed_products(window, past), score(past), -np.inf).astype(np.float64)
        k = min(K, values.shape[1])
        best = _top(values, k)
        best = np.where(np.isfinite(np.take_along_axis(values, best, axis=1)), best, -1)
        lists.append(np.pad(best, ((0, 0), (0, K - k)), constant_values=-1))
    return Ranked(window, np.concatenate(lists) if lists else np.zeros((0, K), dtype=np.int64))


def _top(values: np.ndarray, k: int) -> np.ndarray:
    """(rows, k) columns of the k largest values, descending, ties by column."""
    threshold = -np.partition(-values, k - 1, axis=1)[:, k - 1 : k]
    out = np.empty((len(values), k), dtype=np.int64)
    for row in range(len(values)):
        columns = np.flatnonzero(values[row] >= threshold[row])
        out[row] = columns[np.lexsort((columns, -values[row, columns]))][:k]
    return out


def rank_by_source(
    window: Window,
    source: str,
    config: FusionConfig,
    signals: Signals | None = None,
    vectors: np.ndarray | None = None,
) -> Ranked:
    """Rank by one candidate source, as a baseline. rankable: (items,) bool."""
    if source == "text":
        space = TextSpace(vectors)
        return rank_by_scores(
            window,
            lambda past: space.scores(past, recent_texts(past, window.now, config.half_life_days)),
            config,
        )
    if source == "again":
        fixed = (
            1e-6
            * signals.popularity.column("sold_30")
            / max(signals.popularity.column("sold_30").max(), 1)
        )
        return rank_by_scores(
            window,
            lambda past: past.matrix(again_scores(past, signals, window.now)).toarray() + fixed,
            config,
        )
    if source in ("sold", "sold_30"):
        column = signals.popularity.column(source)
        return rank_by_scores(
            window, lambda past: np.broadcast_to(column, (past.n_users, window.n_items)), config
        )
    matrix = signals.matrices[source]

    def score(past: Histories) -> np.ndarray:
        weights = BY_NAME[source].weight(past, window.now, config.half_life_days)
        return (past.matrix(weights) @ matrix).toarray()

    return rank_by_scores(window, score, config)


def rank_by_fusion(window: Window, model: Recommender, k: int = K) -> Ranked:
    """Rank by the fused model: the first k products of each shopper."""
    lists = []
    for _, past in shards(window, model.config):
        allowed = allowed_products(window, past)
        candidates = model.candidates(past, window.now, allowed)
        score = model.score(candidates.features, threads=0)
        lists.append(top_lists(candidates.user, candidates.item, score, past.n_users, k))
    return Ranked(window, np.concatenate(lists) if lists else np.zeros((0, k), dtype=np.int64))


def rank_by_other(
    window: Window, item_ids: list[str], model: Recommender, model_ids: list[str]
) -> Ranked:
    """Rank by a model with another catalog. Products are matched by id; missing ones cannot be
    found.
    """
    theirs = {item_id: row for row, item_id in enumerate(model_ids)}
    to_model = np.array([theirs.get(item_id, -1) for item_id in item_ids], dtype=np.int64)
    to_window = np.full(len(model_ids), -1, dtype=np.int64)
    to_window[to_model[to_model >= 0]] = np.flatnonzero(to_model >= 0)
    known = window.fit.take(to_model[window.fit.item] >= 0)
    known = replace(known, item=to_model[known.item].astype(np.int32))
    rankable = (to_window >= 0) & np.where(to_window >= 0, window.rankable[to_window], False)
    translated = replace(
        window, past=histories(known, window.users, len(model_ids)), rankable=rankable
    )
    lists = rank_by_fusion(translated, model).lists
    return Ranked(window, np.where(lists >= 0, to_window[lists], -1))


@dataclass(frozen=True)
class CatalogData:
    """Product data for metrics beyond accuracy: (items, dim) unit vectors or None; (items,) buyers,
    sales and category numbers (-1: none).
    """

    vectors: np.ndarray | None
    buyers: np.ndarray
    sold: np.ndarray
    category: np.ndarray
    n_users: int


def summary(ranked: Ranked, catalogue: CatalogData | None = None) -> dict:
    """ndcg@10 and recall@10 with intervals, coverage@10; with catalog data also the metrics beyond
    accuracy.
    """
    out = {}
    for name, values in (("ndcg@10", ranked.ndcg()), ("recall@10", ranked.recall())):
        out[name] = interval(values) or {"value": 0.0, "low": 0.0, "high": 0.0}
    out["coverage@10"] = {"value": coverage_at_k(ranked.lists, ranked.window.n_items, K)}
    return out | _beyond(ranked, catalogue) if catalogue else out


def _beyond(ranked: Ranked, catalogue: CatalogData) -> dict:
    """Diversity, novelty, popularity, Gini coefficient of exposure, and miscalibration of
    categories.
    """
    lists = ranked.lists
    past = ranked.window.past
    n_groups = int(catalogue.category.max(initial=-1)) + 1
    percentile = rankdata(catalogue.sold) / max(1, len(catalogue.sold))
    values = {
        "novelty@10": mean_shown(lists, self_information(catalogue.buyers, catalogue.n_users), K),
        "popularity@10": mean_shown(lists, percentile, K),
    }
    if catalogue.vectors is not None:
        values["diversity@10"] = diversity_at_k(lists, catalogue.vectors, K)
    if 1 < n_groups <= MOST_GROUPS:
        known = catalogue.category[past.item] >= 0
        history = np.zeros((past.n_users, n_groups))
        np.add.at(history, (past.user[known], catalogue.category[past.item[known]]), 1)
        values["miscalibration@10"] = miscalibration_at_k(lists, history, catalogue.category, K)
    out = {name: estimate for name, v in values.items() if (estimate := interval(v))}
    inequality = gini(np.bincount(lists[lists >= 0], minlength=ranked.window.n_items))
    return out if np.isnan(inequality) else out | {"gini@10": {"value": inequality}}


def segments(ranked: dict[str, Ranked], snapshot: Snapshot, sold: np.ndarray) -> dict:
    """NDCG@10 and recall@10 of each system by group of shoppers, (users,) bool each, and of target
    products, (items,) bool each.
    """
    window = next(iter(ranked.values())).window
    out: dict[str, dict] = {}
    for name, mask in shopper_groups(snapshot, window).items():
        out[name] = {
            "shoppers": int(mask.sum()),
            "systems": {s: _metrics(r, mask) for s, r in ranked.items()},
        }
    for name, products in product_groups(snapshot.products, sold).items():
        part = {s: Ranked(_only_targets(window, products), r.lists) for s, r in ranked.items()}
        has_target = np.diff(next(iter(part.values())).window.start) > 0
        out[name] = {
            "shoppers": int(has_target.sum()),
            "systems": {s: _metrics(r, has_target) for s, r in part.items()},
        }
    return out


def _metrics(ranked: Ranked, mask: np.ndarray) -> dict | None:
    ndcg = interval(ranked.ndcg()[mask])
    return ndcg and {"ndcg@10": ndcg, "recall@10": interval(ranked.recall()[mask])}


def _only_targets(window: Window, products: np.ndarray) -> Window:
    owner = np.repeat(np.arange(len(window.users)), np.diff(window.start))
    keep = products[window.target]
    start = np.concatenate(
        [[0], np.cumsum(np.bincount(owner[keep], minlength=len(window.users)))]
    ).astype(np.int64)
    return replace(window, start=start, target=window.target[keep])


def interval(values: np.ndarray, seed: int = 0) -> dict | None:
    """Mean of (n,) values with its 95 % interval; None without values."""
    value, low, high = bootstrap_interval(values, seed)
    return None if np.isnan(value) else {"value": value, "low": low, "high": high}


@dataclass(frozen=True)
class TextVectors:
    """Unit vectors of all products before and after fine-tuning, (items, dim)."""

    before: np.ndarray
    after: np.ndarray


def baseline_rankings(
    window: Window, signals: Signals, texts: TextVectors | None, config: FusionConfig
) -> dict[str, Ranked]:
    """Rankings of all baselines that the data allow, by name."""
    names = {
        "popularity": "sold",
        "popularity_30d": "sold_30",
        "buy_again": "again",
        "item_knn": "similar",
        "sequential_knn": "next",
        "ease": "ease",
    }
    rankings = {
        name: source
        for name, source in names.items()
        if source not in ("similar", "next", "ease") or source in signals.matrices
    }
    if window.exclude != "nothing":
        rankings.pop("buy_again")
    ranked = {
        name: rank_by_source(window, source, config, signals) for name, source in rankings.items()
    }
    if signals.sequence is not None:
        ranked["sequence"] = rank_by_scores(window, signals.sequence.scores, config)
    if texts is not None:
        ranked["text_before"] = rank_by_source(window, "text", config, vectors=texts.before)
        ranked["text_after"] = rank_by_source(window, "text", config, vectors=texts.after)
    return ranked


def judge(
    snapshot: Snapshot,
    window: Window,
    models: dict[str, Recommender],
    texts: TextVectors | None,
    others: dict[str, Ranked] | None = None,
) -> dict:
    """Systems and segments of one window; empty where no shopper has a target. `differences`: of
    the first model to each other system.
    """
    if not len(window.target):
        return {"systems": {}, "segments": {}}
    model = next(iter(models.values()))
    stats = model.signals.popularity
    catalogue = CatalogData(
        model.signals.vectors,
        stats.column("buyers"),
        stats.column("sold"),
        model.facts.category,
        len(snapshot.user_ids),
    )
    ranked = baseline_rankings(window, model.signals, texts, model.config)
    for name, one in models.items():
        ranked[name] = rank_by_fusion(window, one)
    ranked |= others or {}
    shown = {name: ranked[name] for name in ("popularity", "item_knn", *models)}
    return {
        "systems": {name: summary(r, catalogue) for name, r in ranked.items()},
        "segments": segments(shown, snapshot, catalogue.sold),
        "differences": differences(ranked, next(iter(models))),
    }


def differences(ranked: dict[str, Ranked], system: str) -> dict[str, dict]:
    """Difference in NDCG@10 between one system and each other one: paired mean over shoppers with
    its 95 % bootstrap interval.
    """
    system_ndcg = ranked[system].ndcg()
    by_system = {
        name: interval(system_ndcg - other.ndcg())
        for name, other in ranked.items()
        if name != system
    }
    return {name: difference for name, difference in by_system.items() if difference}


def report_head(snapshot: Snapshot, protocol: dict, test: Window) -> dict:
    return {
        "protocol": {**protocol, "shoppers": len(test.users), "products": int(test.rankable.sum())},
        "data": {"digest": snapshot.manifest["digest"], "counts": snapshot.manifest["counts"]},
    }


def date_of(moment: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))
