"""Query understanding: brands, attributes, categories and prices that a query names.

Each becomes a soft boost: products that fit move up some places, others stay. Names come from the
catalog; categories are learned from what shoppers click after a query.
"""

import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import polars as pl
from django.db import connection
from django.utils import timezone

from recommender.infrastructure.availability import UNREACHABLE
from recommender.models import Change
from recommender.models.search_settings import ATTRIBUTE, BRAND, CATEGORY, PRICE
from recommender.search.query_log import normalized
from recommender.serving.shop_state import register_part

PART = "search_understanding"
REFRESH_SECONDS, RETRY_SECONDS = 300.0, 10.0
READ_AT_ONCE = 20_000
"""Products of a catalog whose names are read in a few milliseconds, within a search."""
PLACES = {BRAND: 10.0, ATTRIBUTE: 5.0, CATEGORY: 5.0, PRICE: 20.0}
"""Places by which a product moves up that fits; for a price, by which others move down."""
LONGEST_NAME, MOST_NAMES, READ_PRODUCTS = 4, 50_000, 50_000
"""Words of a name; names that are kept; products whose attributes are read."""
FEWEST_PRODUCTS = 2
FEWEST_CLICKS, LEAST_SHARE = 3, 0.5
"""Of a category among the clicks after a query, so that the query means it."""
DAYS = 90
_MONEY = r"(?:[$€£¥元块]|euros?|eur|usd|dollars?|gbp|pounds|cny|rmb)"
_DIGITS = r"\d{1,3}(?:[.,]\d{3})+(?:[.,]\d{1,2})?|\d+(?:[.,]\d{1,2})?"
"""A price: a separator before three digits groups them, before one or two it is a decimal point."""
_NUMBER = rf"[$€£¥]?\s*({_DIGITS})\s*{_MONEY}?"
_BELOW = r"(?:under|below|less than|up to|cheaper than|at most|max(?:imum)?|unter|bis|moins de)"
_ABOVE = r"(?:over|above|more than|at least|min(?:imum)?|über|ab|plus de)"
_BETWEEN = r"(?:between|zwischen|entre)"
_END = r"(?![\w.,]*\d)(?!\s*(?:cm|mm|m|kg|g|ml|l|oz|inch|in|ft|gb|tb|mb|w|v|mah|pcs?|pack)\b)"
_RANGE = rf"{_BETWEEN}\s+{_NUMBER}\s+(?:and|und|et|-)\s+{_NUMBER}"
PRICES = (
    (re.compile(rf"\b{_RANGE}{_END}", re.I), "between"),
    (re.compile(rf"\b{_BELOW}\s+{_NUMBER}{_END}", re.I), "below"),
    (re.compile(rf"\b{_ABOVE}\s+{_NUMBER}{_END}", re.I), "above"),
    (re.compile(r"(\d+(?:\.\d+)?)\s*[元块]?\s*(?:以下|以内)", re.I), "below"),
    (re.compile(r"(\d+(?:\.\d+)?)\s*[元块]?\s*以上", re.I), "above"),
)
"""Phrases that name a price. A number with a unit ("under 20 cm") is not a price."""
ATTRIBUTES_SQL = """
    SELECT name, value, count(*) AS products FROM (
        SELECT a.key AS name, v.value #>> '{}' AS value
        FROM (SELECT attributes FROM recommender_product WHERE shop_id = %s AND NOT hidden
            AND published LIMIT %s) AS p
        CROSS JOIN LATERAL jsonb_each(p.attributes) AS a
        CROSS JOIN LATERAL jsonb_array_elements(
            CASE jsonb_typeof(a.value) WHEN 'array' THEN a.value
            ELSE jsonb_build_array(a.value) END) AS v
        WHERE jsonb_typeof(v.value) = 'string') AS named
    WHERE length(value) BETWEEN 2 AND 40 GROUP BY name, value HAVING count(*) >= %s
    ORDER BY products DESC, name, value LIMIT %s"""
BRANDS_SQL = """
    SELECT brand, count(*) FROM recommender_product
    WHERE shop_id = %s AND brand <> '' AND NOT hidden AND published GROUP BY brand
    ORDER BY count(*) DESC, brand LIMIT %s"""
CATEGORIES_SQL = """
    WITH clicks AS (
        SELECT q.normalized, e.id, p.categories FROM recommender_searchquery q
        JOIN recommender_event e ON e.shop_id = q.shop_id AND e.recommendation_id = q.query_id
            AND e.type IN ('click', 'add_to_cart', 'purchase')
        JOIN recommender_product p ON p.id = e.product_id
        WHERE q.shop_id = %s AND q.created_at >= %s AND NOT q.simulated
            AND q.first_position = 1),
    totals AS (SELECT normalized, count(*) AS total FROM clicks GROUP BY normalized)
    SELECT DISTINCT ON (normalized) normalized, path FROM (
        SELECT c.normalized, path, count(DISTINCT c.id) AS clicks, min(t.total) AS total
        FROM clicks c JOIN totals t USING (normalized)
        CROSS JOIN LATERAL unnest(c.categories) AS path
        GROUP BY c.normalized, path) AS counted
    WHERE clicks >= %s AND clicks >= %s * total
    ORDER BY normalized, clicks DESC, path LIMIT %s"""
"""The category of most clicks after a query; a product may have several."""


@dataclass(frozen=True)
class Intent:
    """What a part of the query names.

    kind: BRAND, ATTRIBUTE, CATEGORY or PRICE; field, value: what fits it; low, high: of a price
    begin, end: characters of the query that name it
    """

    kind: str
    field: str
    value: str = ""
    low: float | None = None
    high: float | None = None
    begin: int = 0
    end: int = 0

    def reply(self) -> dict[str, Any]:
        row = {"kind": self.kind, "field": self.field, "begin": self.begin, "end": self.end}
        if self.kind == PRICE:
            return row | {"from": self.low, "to": self.high}
        return row | {"value": self.value}

    @property
    def text(self) -> str:
        """Why a product that fits stands higher."""
        if self.kind == PRICE:
            return "costs what was asked for"
        return f"{self.field.removeprefix('attributes.')}: {self.value}"


@dataclass(frozen=True)
class Understood:
    """intents: of a query; text: the query without the words that name a price, which may be all
    of them.
    """

    text: str
    intents: tuple[Intent, ...] = ()


@dataclass(frozen=True)
class _Names:
    """Names by their folded words: (kind, field, value); categories by normalized query."""

    by_words: Mapping[tuple[str, ...], tuple[str, str, str]] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


class Understanding:
    """The names of a shop's brands and attributes, and what queries mean: a part of its state."""

    def __init__(self, shop_id: int) -> None:
        self.shop_id = shop_id
        self._names = _Names()
        self._read_at = float("-inf")
        self._lock = threading.Lock()

    def load(self) -> None:
        """Read the names now."""
        self._names, self._read_at = _read(self.shop_id), time.monotonic()

    def invalidate(self, change: Change) -> None:
        """Nothing: five minutes are soon enough."""

    def names(self, products: int) -> _Names:
        """The names, refreshed after REFRESH_SECONDS; in a large catalog by a background thread.

        products: number of the shop's products
        """
        if time.monotonic() - self._read_at > REFRESH_SECONDS and self._lock.acquire(False):
            if products > READ_AT_ONCE:
                threading.Thread(target=self._refresh_beside, daemon=True).start()
            else:
                self._refresh()
        return self._names

    def _refresh(self) -> None:
        try:
            self.load()
        except UNREACHABLE:  # the names as they were
            self._read_at = time.monotonic() - REFRESH_SECONDS + RETRY_SECONDS
        finally:
            self._lock.release()

    def _refresh_beside(self) -> None:
        try:
            self._refresh()
        finally:
            connection.close()


register_part(PART, Understanding)


def understand(query: str, names: _Names, kinds: Sequence[str]) -> Understood:
    """What a query names, of these kinds."""
    text, intents = query, []
    if PRICE in kinds and (found := _price(query)) is not None:
        intents.append(found)
        text = f"{query[: found.begin]} {query[found.end :]}"
        text = text if any(c.isalnum() for c in text) else ""
    intents += [one for one in _named(text, query, names) if one.kind in kinds]
    meant = names.categories.get(normalized(text))
    if meant is not None and CATEGORY in kinds:
        intents.append(Intent(CATEGORY, "categories", meant, end=len(query)))
    return Understood(" ".join(text.split()), tuple(intents))


def _price(query: str) -> Intent | None:
    for pattern, kind in PRICES:
        if match := pattern.search(query):
            numbers = [_amount(number) for number in match.groups() if number]
            low = min(numbers) if kind in ("between", "above") else None
            high = max(numbers) if kind in ("between", "below") else None
            return Intent(PRICE, "price", low=low, high=high, begin=match.start(), end=match.end())
    return None


def _amount(digits: str) -> float:
    """The number: "1,000" and "1.299" are thousands, "12,50" and "1.299,00" have decimals."""
    whole, _, rest = digits.replace(",", ".").rpartition(".")
    if not whole or len(rest) == 3:
        return float(f"{whole}{rest}".replace(".", ""))
    return float(f"{whole.replace('.', '')}.{rest}")


def _named(text: str, query: str, names: _Names) -> Iterator[Intent]:
    """Brands and attributes in a text, the longest names first, no word twice."""
    words = [(m[0].casefold(), m.start(), m.end()) for m in re.finditer(r"[^\s,;]+", text)]
    taken: set[int] = set()
    for length in range(min(LONGEST_NAME, len(words)), 0, -1):
        for at in range(len(words) - length + 1):
            span = range(at, at + length)
            found = names.by_words.get(tuple(word for word, _, _ in words[at : at + length]))
            if found is None or taken.intersection(span):
                continue
            taken.update(span)
            kind, name, value = found
            said = text[words[at][1] : words[at + length - 1][2]]
            begin = max(query.find(said), 0)
            yield Intent(kind, name, value, begin=begin, end=begin + len(said))


def _read(shop_id: int) -> _Names:
    by_words: dict[tuple[str, ...], tuple[str, str, str]] = {}
    with connection.cursor() as cursor:
        cursor.execute(ATTRIBUTES_SQL, [shop_id, READ_PRODUCTS, FEWEST_PRODUCTS, MOST_NAMES])
        for name, value, _ in cursor.fetchall():
            words = tuple(normalized(value).split())
            if words and len(words) <= LONGEST_NAME and not value.isdigit():
                by_words.setdefault(words, (ATTRIBUTE, f"attributes.{name}", value))
        cursor.execute(BRANDS_SQL, [shop_id, MOST_NAMES])
        for brand, _ in cursor.fetchall():
            words = tuple(normalized(brand).split())
            if words and len(words) <= LONGEST_NAME:
                by_words[words] = (BRAND, "brand", brand)
        since = timezone.now() - timedelta(days=DAYS)
        cursor.execute(CATEGORIES_SQL, [shop_id, since, FEWEST_CLICKS, LEAST_SHARE, MOST_NAMES])
        categories = dict(cursor.fetchall())
    return _Names(by_words, categories)


def places_of(intents: Sequence[Intent], rows: pl.DataFrame) -> dict[int, tuple[float, list[str]]]:
    """By primary key the places that a product moves up, and why; down where negative.

    rows: products with their columns `pk`, `brand`, `categories`, `price` and named attributes
    """
    out: dict[int, tuple[float, list[str]]] = {}
    for one in intents:
        for key, does in rows.select("pk", fits=fits(one).fill_null(False)).iter_rows():
            places, reasons = out.get(key, (0.0, []))
            if one.kind == PRICE:
                places -= 0 if does else PLACES[PRICE]
            elif does:
                places += PLACES[one.kind]
            out[key] = places, [*reasons, one.text] if does else reasons
    return out


def fits(intent: Intent) -> pl.Expr:
    """True of products that fit."""
    if intent.kind == BRAND:
        return pl.col("brand") == intent.value
    if intent.kind == CATEGORY:
        path = pl.element()
        below = path.str.starts_with(f"{intent.value} > ")
        return pl.col("categories").list.eval((path == intent.value) | below).list.any()
    if intent.kind == PRICE:
        price = pl.col("price")
        low = pl.lit(True) if intent.low is None else price >= intent.low
        return low & (pl.lit(True) if intent.high is None else price <= intent.high)
    return pl.col(intent.field).list.contains(intent.value)
