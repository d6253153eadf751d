"""Features of (shopper, candidate) pairs: names, groups and columns."""

from dataclasses import dataclass

import numpy as np

from training.candidates.covisitation import ITEM_STATS
from training.candidates.scores import SearchedScores, lookup
from training.candidates.sources import (
    BY_NAME,
    SOURCES,
    Signals,
    propose,
    source_scores,
    sources_of,
)
from training.configuration.fields import ConfigError
from training.configuration.ranking_recipes import FusionConfig
from training.data.interactions import FADE_DAYS, Histories, days_between
from training.data.segments import NEW_PRODUCT_EVENTS

PAIR_FEATURES = (
    "times_bought",
    "days_since",
    "days_since_first",
    "own_gap",
    "due",
    "share_of_baskets",
    "baskets_since",
    "bought_of_late",
    "in_late_baskets",
    "last_gap",
)
USER_FEATURES = ("n_products", "n_baskets", "days_quiet", "repeat_share", "days_known")
PRICE_FEATURES = ("price", "price_ratio")
TASTE_FEATURES = ("brand_share", "category_share")
POPULARITY_STATS = ("sold", "sold_30", "sold_7", "buyers")
GROUPS = {
    "rhythm": PAIR_FEATURES,
    "shopper": USER_FEATURES,
    "price": PRICE_FEATURES,
    "taste": TASTE_FEATURES,
    "popularity": (
        *(f"item_{stat}" for stat in POPULARITY_STATS),
        "trending",
        "trending_share",
        "trending_rank",
    ),
    "product": tuple(f"item_{stat}" for stat in ITEM_STATS if stat not in POPULARITY_STATS),
}
"""Feature groups that can be left out, in addition to candidate sources."""
PARTS = (*BY_NAME, *GROUPS)


@dataclass(frozen=True)
class ItemFacts:
    """Product attributes for ranking features: (items,) each, nan or -1 where unknown."""

    price: np.ndarray
    brand: np.ndarray
    category: np.ndarray


def feature_names(signals: Signals, config: FusionConfig) -> list[str]:
    """Names of the feature columns, in order."""
    names = [
        f"{source}{kind}"
        for source in sources_of(signals, config)
        for kind in ("", "_share", "_rank")
    ]
    names += [
        *PAIR_FEATURES,
        *USER_FEATURES,
        *PRICE_FEATURES,
        *TASTE_FEATURES,
        *(f"item_{stat}" for stat in ITEM_STATS),
    ]
    left_out = {name for part in config.parts_left_out for name in GROUPS.get(part, ())}
    return [name for name in names if name not in left_out]


def few_events(features: np.ndarray, names: list[str]) -> np.ndarray:
    """(n,) bool: whether the candidate has few events. None where raw popularity is not used."""
    if "item_sold" not in names:
        return np.zeros(len(features), dtype=bool)
    return features[:, names.index("item_sold")] <= NEW_PRODUCT_EVENTS


def check_parts(config: FusionConfig) -> None:
    """Validate `left_out`. Raises ConfigError where a source or feature group does not exist."""
    unknown = sorted(config.parts_left_out - set(PARTS))
    if unknown:
        raise ConfigError(f"left_out: {unknown[0]!r} is not one of {', '.join(PARTS)}")


def group_of(feature: str) -> str:
    """Kind of reason that a feature belongs to."""
    source = BY_NAME.get(feature.removesuffix("_share").removesuffix("_rank"))
    if source is not None:
        return source.reason
    if feature in PAIR_FEATURES or feature in ("item_again_rate", "item_gap_days"):
        return "again"
    if feature in USER_FEATURES:
        return "shopper"
    if feature in PRICE_FEATURES:
        return "price"
    if feature in TASTE_FEATURES:
        return "taste"
    return "new" if feature == "item_age_days" else "popularity"


def reason_kinds() -> set[str]:
    """Kinds of reasons that a ranking model can give."""
    names = {name for group in GROUPS.values() for name in group}
    return {source.reason for source in SOURCES} | {group_of(name) for name in names}


@dataclass(frozen=True)
class Candidates:
    """Candidates of a shard: user (n,) row in the shard, ascending; item (n,); features (n,
    columns) float32.
    """

    user: np.ndarray
    item: np.ndarray
    features: np.ndarray


def candidates_of(
    past: Histories,
    signals: Signals,
    facts: ItemFacts,
    allowed: np.ndarray,
    now: int,
    config: FusionConfig,
    wanted: tuple[np.ndarray, np.ndarray] | None = None,
    alone: bool = False,
) -> Candidates:
    """Candidates and features of every shopper of a shard; plus the pairs `wanted` (shopper, item),
    or only the pairs `alone`.
    """
    scores = source_scores(past, signals, now, sources_of(signals, config))
    proposed = propose(scores, allowed, config.candidates_per_source, wanted, alone)
    user, item = proposed.user, proposed.item
    columns: dict[str, np.ndarray] = {}
    for source, values in scores.items():
        value, top = values.at(user, item), proposed.tops[source][user]
        share = value / np.maximum(top, 1e-9)
        if isinstance(values, SearchedScores):  # the largest score is that of what was looked at
            share = np.where(top > 0, np.minimum(share, 1), 0)
        columns |= {
            source: value,
            f"{source}_share": share,
            f"{source}_rank": proposed.places[source],
        }
    columns |= zip(PAIR_FEATURES, _pair_columns(past, user, item, now), strict=True)
    columns |= zip(USER_FEATURES, _user_columns(past, user, now), strict=True)
    columns |= zip(PRICE_FEATURES, _price_columns(past, facts.price, user, item), strict=True)
    columns |= zip(
        TASTE_FEATURES,
        (_share_columns(past, group, user, item) for group in (facts.brand, facts.category)),
        strict=True,
    )
    columns |= {f"item_{stat}": signals.popularity.column(stat)[item] for stat in ITEM_STATS}
    names = feature_names(signals, config)
    features = np.empty((len(user), len(names)), dtype=np.float32)
    for i, name in enumerate(names):
        features[:, i] = columns[name]
    return Candidates(user, item, features)


def _lookup(past: Histories, user: np.ndarray, item: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Position of each pair in the history: (n,) entry, (n,) bool whether it exists."""
    key = past.user.astype(np.int64) * past.n_items + past.item
    order = np.argsort(key)
    wanted = user.astype(np.int64) * past.n_items + item
    if len(key) == 0:
        return np.zeros(len(wanted), dtype=np.int64), np.zeros(len(wanted), dtype=bool)
    at = np.minimum(np.searchsorted(key[order], wanted), len(key) - 1)
    return order[at], key[order[at]] == wanted


def _pair_columns(
    past: Histories, user: np.ndarray, item: np.ndarray, now: int
) -> list[np.ndarray]:
    entry, in_history = _lookup(past, user, item)
    if len(past.item) == 0:
        return [np.full(len(user), np.nan, dtype=np.float32)] * len(PAIR_FEATURES)
    times = np.where(in_history, past.bought[entry], 0.0)
    since, first = days_between(now, past.last[entry]), days_between(now, past.first[entry])
    gap = np.where(times >= 2, (first - since) / np.maximum(times - 1, 1), np.nan)
    share = times / np.maximum(past.baskets[user], 1)
    late = past.by_days[entry] * 0.5 ** (since / FADE_DAYS)
    columns = [
        times,
        since,
        first,
        gap,
        since / np.maximum(gap, 1),
        share,
        past.back[entry],
        late,
        past.by_baskets[entry],
        past.last_gap[entry],
    ]
    return [columns[0], *(np.where(in_history, c, np.nan) for c in columns[1:])]


def _user_columns(past: Histories, user: np.ndarray, now: int) -> list[np.ndarray]:
    n_products = np.diff(past.start).astype(np.float32)
    owner = past.user
    quiet = np.full(past.n_users, np.nan, dtype=np.float32)
    known = np.full(past.n_users, np.nan, dtype=np.float32)
    if len(owner):
        latest = np.zeros(past.n_users, dtype=np.int64)
        earliest = np.full(past.n_users, now, dtype=np.int64)
        np.maximum.at(latest, owner, past.last)
        np.minimum.at(earliest, owner, past.first)
        with_history = n_products > 0
        quiet[with_history] = days_between(now, latest[with_history])
        known[with_history] = days_between(now, earliest[with_history])
    again = np.bincount(owner, past.bought >= 2, minlength=past.n_users) / np.maximum(n_products, 1)
    return [c[user] for c in (n_products, past.baskets, quiet, again, known)]


def _price_columns(
    past: Histories, price: np.ndarray, user: np.ndarray, item: np.ndarray
) -> list[np.ndarray]:
    log_prices = np.log1p(price[past.item])
    is_known = ~np.isnan(log_prices)
    count = np.bincount(past.user[is_known], minlength=past.n_users)
    with np.errstate(invalid="ignore", divide="ignore"):
        usual = (
            np.bincount(past.user[is_known], log_prices[is_known], minlength=past.n_users) / count
        )
    return [price[item], np.log1p(price[item]) - usual[user]]


def _share_columns(
    past: Histories, group: np.ndarray, user: np.ndarray, item: np.ndarray
) -> np.ndarray:
    """(n,) share of the shopper's history with the candidate's brand (or category); nan where it
    has none.
    """
    n_groups = int(group.max(initial=-1)) + 1
    if n_groups == 0:
        return np.full(len(user), np.nan, dtype=np.float32)
    history_group = group[past.item]
    known = history_group >= 0
    code, counts = np.unique(
        past.user[known].astype(np.int64) * n_groups + history_group[known], return_counts=True
    )
    total = np.maximum(np.bincount(past.user[known], minlength=past.n_users), 1)
    wanted = user.astype(np.int64) * n_groups + np.maximum(group[item], 0)
    return np.where(group[item] >= 0, lookup(code, wanted, counts) / total[user], np.nan)
