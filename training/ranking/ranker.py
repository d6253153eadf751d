"""The ranker: LightGBM scores over features of (shopper, candidate), with exact contributions."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import lightgbm as lgb
import numpy as np

from training.candidates.sources import Signals
from training.configuration.ranking_recipes import FusionConfig, RetrievalConfig
from training.data.interactions import Histories
from training.data.splits import Window
from training.ranking.features import ItemFacts, candidates_of, feature_names

SHARD_CELLS = 25_000_000
"""Maximum (shoppers × products) scored at once. It bounds memory."""


LAMBDARANK = {
    "objective": "lambdarank",
    "extra_trees": True,
    "feature_fraction": 0.6,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 127,
    "verbosity": -1,
    "deterministic": True,
    "force_row_wise": True,
}
"""LightGBM parameters of every ranker."""


def labels_of(window: Window, begin: int, user: np.ndarray, item: np.ndarray) -> np.ndarray:
    """(n,) bool: whether the candidate is a target of its shopper. `user` counts from shopper
    `begin` of the window.
    """
    owner = np.repeat(np.arange(len(window.users)), np.diff(window.start))
    targets = owner.astype(np.int64) * window.n_items + window.target
    return np.isin((user + begin).astype(np.int64) * window.n_items + item, targets)


def allowed_products(window: Window, past: Histories) -> np.ndarray:
    """(shoppers, items) bool: products that may be ranked for each shopper of a shard."""
    allowed = np.broadcast_to(window.rankable, (past.n_users, window.n_items))
    if window.exclude == "nothing":
        return allowed
    allowed = allowed.copy()
    left_out = (
        past.bought > 0 if window.exclude == "bought" else np.ones(len(past.item), dtype=bool)
    )
    allowed[past.user[left_out], past.item[left_out]] = False
    return allowed


def shard_size(config: RetrievalConfig, n_items: int) -> int:
    """Number of shoppers scored at once: the configured number, fewer with many products."""
    return max(1, min(config.shard, SHARD_CELLS // max(1, n_items)))


def shards(window: Window, config: RetrievalConfig) -> Iterator[tuple[int, Histories]]:
    """Shards of the window's shoppers: (first shopper, histories of the shard)."""
    size = shard_size(config, window.n_items)
    for begin in range(0, len(window.users), size):
        yield begin, window.past.shard(begin, begin + size)


@dataclass
class TrainingRows:
    """Labeled candidates of whole windows. group: (shoppers,) rows per shopper; shopper:
    (shoppers,) row in the shop.
    """

    features: np.ndarray
    label: np.ndarray
    group: np.ndarray
    shopper: np.ndarray

    def of(self, mask: np.ndarray) -> "TrainingRows":
        """The training rows of the selected shoppers. mask: (shoppers,) bool."""
        rows = np.repeat(mask, self.group)
        return TrainingRows(
            self.features[rows], self.label[rows], self.group[mask], self.shopper[mask]
        )


def training_rows(
    window: Window,
    signals: Signals,
    facts: ItemFacts,
    config: FusionConfig,
    most_rows: int,
    seen: Callable[[float], None] = lambda share: None,
) -> TrainingRows:
    """Candidates of randomly drawn shoppers with a target among them, up to `most_rows`.

    All targets are kept, and at most `config.negatives_per_shopper` other candidates, drawn at
    random. `seen` is called with the finished share.
    """
    rng = np.random.default_rng(config.seed)
    order, size = rng.permutation(len(window.users)), shard_size(config, window.n_items)
    nothing = (
        np.zeros((0, len(feature_names(signals, config))), np.float32),
        np.zeros(0, bool),
        np.zeros(0, np.int64),
        np.zeros(0, np.int64),
    )
    parts, n_rows = [TrainingRows(*nothing)], 0
    for begin in range(0, len(order), size):
        batch = window.only_users(np.sort(order[begin : begin + size]))
        candidates = candidates_of(
            batch.past, signals, facts, allowed_products(batch, batch.past), batch.now, config
        )
        label = labels_of(batch, 0, candidates.user, candidates.item)
        sampled_rows = _sampled_rows(candidates.user, label, config.negatives_per_shopper, rng)
        counts = np.bincount(candidates.user[sampled_rows])
        parts.append(
            TrainingRows(
                candidates.features[sampled_rows],
                label[sampled_rows],
                counts[counts > 0],
                batch.users[np.flatnonzero(counts)],
            )
        )
        n_rows += len(sampled_rows)
        seen(min(1.0, max((begin + size) / len(order), n_rows / most_rows)))
        if n_rows >= most_rows:
            break
    return stack(parts)


def _sampled_rows(
    user: np.ndarray, label: np.ndarray, negatives: int, rng: np.random.Generator
) -> np.ndarray:
    """Rows, ascending, of shoppers with a label: the labeled ones, and `negatives` random
    others.
    """
    rows = np.flatnonzero(np.isin(user, user[label]))
    order = rows[np.lexsort((rng.random(len(rows)), ~label[rows], user[rows]))]
    begin = np.searchsorted(user[order], user[order])
    labelled = np.bincount(user[label], minlength=int(user.max(initial=0)) + 1)
    return np.sort(order[np.arange(len(order)) - begin < labelled[user[order]] + negatives])


def stack(parts: list[TrainingRows]) -> TrainingRows:
    return TrainingRows(
        *(
            np.concatenate([getattr(p, name) for p in parts])
            for name in ("features", "label", "group", "shopper")
        )
    )


def train_ranker(rows: TrainingRows, names: list[str], config: FusionConfig) -> lgb.Booster:
    """Train LambdaRank (Burges 2010) for `config.rounds` rounds, with randomly drawn split
    thresholds (Geurts et al. 2006).
    """
    parameters = LAMBDARANK | {
        "lambdarank_truncation_level": 40,
        "learning_rate": config.ranker_learning_rate,
        "num_leaves": config.leaves,
        "min_data_in_leaf": 50,
        "seed": config.seed,
    }
    return lgb.train(
        parameters,
        lgb.Dataset(rows.features, rows.label, group=rows.group, feature_name=names),
        config.rounds,
    )


def top_lists(
    user: np.ndarray, item: np.ndarray, score: np.ndarray, n_users: int, k: int
) -> np.ndarray:
    """(n_users, k) items by descending score, ties by item; -1 where there are fewer."""
    order = np.lexsort((item, -score, user))
    user, item = user[order], item[order]
    start = np.concatenate([[0], np.cumsum(np.bincount(user, minlength=n_users))])
    rank = np.arange(len(user)) - start[user]
    lists = np.full((n_users, k), -1, dtype=np.int64)
    keep = rank < k
    lists[user[keep], rank[keep]] = item[keep]
    return lists
