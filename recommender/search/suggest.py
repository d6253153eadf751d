"""Suggestions as a shopper types: queries of others, products, categories, brands."""

import threading
import time
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl
from django.db import connection
from django.utils import timezone

from recommender.catalog.filter_language import EVERYTHING
from recommender.inference import search_engine
from recommender.models import Change, Shop
from recommender.search import live_index, wording
from recommender.search.query_log import normalized
from recommender.search.requests import LONGEST_QUERY
from recommender.serving.shop_state import ShopState, register_part, state_of

PART = "search_suggestions"
DAYS = 60
FEWEST_VISITORS = 3
"""Visitors who searched for a query before it is suggested to others: few may name a person."""
MOST_QUERIES = 50_000
QUERY_SECONDS, NAME_SECONDS = 300.0, 60.0
"""How long queries of others, and names of categories and brands, are cached."""
MOST_PRODUCTS = 40
QUERIES = """
    SELECT normalized, sum(weight) AS searches FROM recommender_searchquery
    WHERE shop_id = %s AND created_at >= %s AND NOT simulated AND total > 0 AND first_position = 1
        AND corrected = '' AND NOT relaxed
    GROUP BY normalized
    HAVING count(DISTINCT coalesce(shopper_id::text, session_id)) >= %s
    ORDER BY searches DESC, normalized LIMIT %s"""


@dataclass(frozen=True)
class Suggestions:
    """queries: (text, how often searched for); products: (item id, title, ranges that match);
    categories, brands: (name, products).
    """

    queries: list[tuple[str, float]] = field(default_factory=list)
    products: list[tuple[str, str, list[tuple[int, int]]]] = field(default_factory=list)
    categories: list[tuple[str, int]] = field(default_factory=list)
    brands: list[tuple[str, int]] = field(default_factory=list)


class PopularQueries:
    """Queries that several visitors searched for, and names of categories and brands: a part of
    the shop's state.
    """

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._queries: list[tuple[str, float]] = []
        self._starts: list[str] = []
        self._read_at = self._named_at = float("-inf")
        self._names: dict[str, list[tuple[str, int, tuple[str, ...]]]] = {}
        self._lock = threading.Lock()

    def load(self) -> None:
        """Nothing: the first suggestion reads it."""

    def invalidate(self, change: Change) -> None:
        """Nothing: a minute or five is soon enough."""

    def queries(self, prefix: str, most: int) -> list[tuple[str, float]]:
        """Queries that begin with this, the most frequent first."""
        with self._lock:
            if time.monotonic() - self._read_at > QUERY_SECONDS:
                self._read()
            begin = bisect_left(self._starts, prefix)
            end = bisect_left(self._starts, prefix + "\U0010ffff")
            found = self._queries[begin:end]
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:most]

    def _read(self) -> None:
        since = timezone.now() - timedelta(days=DAYS)
        with connection.cursor() as cursor:
            cursor.execute(QUERIES, [self.shop_id, since, FEWEST_VISITORS, MOST_QUERIES])
            self._queries = sorted((text, float(searches)) for text, searches in cursor.fetchall())
        self._starts = [text for text, _ in self._queries]
        self._read_at = time.monotonic()

    def names(self, state: ShopState, kind: str) -> list[tuple[str, int, tuple[str, ...]]]:
        """(name, eligible products, folded words) of every category or brand."""
        with self._lock:
            if time.monotonic() - self._named_at > NAME_SECONDS:
                self._names = _names_of(state)
                self._named_at = time.monotonic()
            return self._names[kind]


def _names_of(state: ShopState) -> dict[str, list[tuple[str, int, tuple[str, ...]]]]:
    index = state.product_index
    with index.lock:  # mask and rows of one moment
        mask = index.mask(EVERYTHING, timezone.now())
        frame = index.products().select("categories", "brand").filter(mask)
    columns = {
        "categories": frame["categories"].explode(),
        "brands": frame["brand"],
    }
    out = {}
    for kind, values in columns.items():
        counted = values.drop_nulls().alias("name").value_counts(sort=True)
        out[kind] = [
            (name, count, tuple(normalized(name.rpartition(" > ")[2]).split()))
            for name, count in counted.iter_rows()
        ]
    return out


register_part(PART, PopularQueries)


def suggest(shop: Shop, typed: str, limit: int) -> Suggestions:
    """At most `limit` suggestions of each kind. Raises IndexNotReady."""
    typed = typed[:LONGEST_QUERY]
    if not typed.strip():
        return Suggestions()
    state = state_of(shop)
    popular: PopularQueries = state.parts[PART]
    begun = normalized(typed)
    words = begun.split()
    return Suggestions(
        popular.queries(begun, limit),
        _products(state, typed, limit),
        _named(popular.names(state, "categories"), words, limit),
        _named(popular.names(state, "brands"), words, limit),
    )


def _products(
    state: ShopState, typed: str, limit: int
) -> list[tuple[str, str, list[tuple[int, int]]]]:
    """Eligible products that match what was typed, the last word as the beginning of one."""
    index = state.parts[live_index.PART].read()
    plan = search_engine.plan_of(index, typed, state.parts[wording.PART].get(index), True)
    found = search_engine.find(index, plan, most=MOST_PRODUCTS).products
    keys = [one.key for one in found if one.matched or one.equal] or [one.key for one in found]
    frame = state.product_index.by_key(keys)
    rows = {pk: (item_id, title or "") for pk, item_id, title in _columns(frame)}
    ids = [rows[key][0] for key in keys if key in rows]
    eligible = state.product_index.eligible_among(ids, EVERYTHING, timezone.now())
    groups, seen, out = state.variant_groups.get(), set(), []
    for item_id, title in (rows[key] for key in keys if key in rows):
        group = groups.get(item_id) or item_id
        if item_id in eligible and group not in seen:
            seen.add(group)
            out.append((item_id, title, search_engine.highlights(index, plan, title)))
    return out[:limit]


def _columns(frame: pl.DataFrame) -> Iterable[tuple[Any, ...]]:
    return frame.select("pk", "item_id", "title").iter_rows()


def _named(
    names: list[tuple[str, int, tuple[str, ...]]], words: list[str], limit: int
) -> list[tuple[str, int]]:
    """Names with every word; the last word may be the beginning of one."""
    *whole, last = words
    found = [
        (name, count)
        for name, count, parts in names
        if all(word in parts for word in whole) and any(part.startswith(last) for part in parts)
    ]
    return found[:limit]
