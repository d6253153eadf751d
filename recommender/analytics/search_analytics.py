"""Search analytics: what shoppers search for, what they click, buy, and search for instead."""

from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from recommender.models import Shop

REFORMULATION_MINUTES = 5
"""A query of the same session within this time, without a click between, replaces the first."""
SEARCHES = """
    WITH searches AS (
        SELECT query_id, min(normalized) AS normalized, min(created_at) AS at,
            min(session_id) AS session_id, min(weight) AS weight, max(total) AS total,
            bool_or(relaxed) AS relaxed, bool_or(corrected <> '') AS corrected
        FROM recommender_searchquery
        WHERE shop_id = %(shop)s AND created_at >= %(since)s AND NOT simulated
        GROUP BY query_id),
    actions AS (
        SELECT e.recommendation_id AS query_id,
            bool_or(e.type = 'click') AS clicked,
            min(e.position) FILTER (WHERE e.type = 'click') AS position,
            bool_or(e.type = 'purchase') AS bought,
            coalesce(sum(e.value) FILTER (WHERE e.type = 'purchase'), 0) AS revenue
        FROM recommender_event e
        WHERE e.shop_id = %(shop)s AND e.recommendation_id IN (SELECT query_id FROM searches)
        GROUP BY e.recommendation_id),
    followed AS (
        SELECT s.*, coalesce(a.clicked, false) AS clicked, a.position,
            coalesce(a.bought, false) AS bought, coalesce(a.revenue, 0) AS revenue,
            lead(s.normalized) OVER visit AS following, lead(s.at) OVER visit AS following_at
        FROM searches s LEFT JOIN actions a USING (query_id)
        WINDOW visit AS (PARTITION BY coalesce(s.session_id, s.query_id) ORDER BY s.at))"""
SUMMARY = f"""{SEARCHES}
    SELECT coalesce(sum(weight), 0), count(DISTINCT normalized),
        coalesce(sum(weight) FILTER (WHERE total = 0), 0),
        coalesce(sum(weight) FILTER (WHERE NOT clicked AND total > 0), 0),
        coalesce(sum(weight) FILTER (WHERE corrected), 0),
        coalesce(sum(weight) FILTER (WHERE relaxed), 0),
        coalesce(sum(weight) FILTER (WHERE bought), 0),
        coalesce(sum(weight * revenue), 0),
        sum(weight * position) / nullif(sum(weight) FILTER (WHERE position IS NOT NULL), 0)
    FROM followed"""
BY_QUERY = f"""{SEARCHES}
    SELECT normalized, sum(weight) AS searches,
        sum(weight) FILTER (WHERE clicked) / sum(weight) AS clicked,
        sum(weight) FILTER (WHERE bought) / sum(weight) AS bought,
        sum(weight * revenue) AS revenue,
        sum(weight * position) / nullif(sum(weight) FILTER (WHERE position IS NOT NULL), 0),
        max(total) AS total
    FROM followed GROUP BY normalized HAVING {{having}}
    ORDER BY searches DESC, normalized LIMIT %(most)s"""
INSTEAD = f"""{SEARCHES}
    SELECT normalized, following, sum(weight) AS times FROM followed
    WHERE NOT clicked AND following <> normalized
        AND following_at < at + interval '{REFORMULATION_MINUTES} minutes'
    GROUP BY normalized, following ORDER BY times DESC, normalized, following LIMIT %(most)s"""
POSITIONS = f"""{SEARCHES}
    SELECT position, sum(weight) FROM followed WHERE position BETWEEN 1 AND 20
    GROUP BY position ORDER BY position"""
TOP, WITHOUT_RESULT, WITHOUT_CLICK = "top", "without result", "without click"
HAVING = {
    TOP: "true",
    WITHOUT_RESULT: "max(total) = 0",
    WITHOUT_CLICK: "max(total) > 0 AND NOT bool_or(clicked)",
}


@dataclass(frozen=True)
class SearchSummary:
    """Searches of a period, weighted. position: mean of first clicks, from 1; None without any."""

    searches: float
    queries: int
    without_result: float
    without_click: float
    corrected: float
    relaxed: float
    bought: float
    revenue: float
    position: float | None

    def share(self, part: float) -> float:
        """Share of all searches, in percent."""
        return 100 * part / self.searches if self.searches else 0.0


@dataclass(frozen=True)
class QueryRow:
    """One query of a period. clicked, bought: shares of its searches, [0, 1]."""

    query: str
    searches: float
    clicked: float
    bought: float
    revenue: float
    position: float | None
    total: int


def summary(shop: Shop, since: datetime) -> SearchSummary:
    """What the searches since then came to."""
    ((searches, queries, *rest),) = _rows(SUMMARY, shop, since)
    *counts, position = rest
    return SearchSummary(
        float(searches), queries, *map(float, counts), None if position is None else float(position)
    )


def queries(shop: Shop, since: datetime, kind: str = TOP, most: int = 50) -> list[QueryRow]:
    """The most frequent queries of a kind (TOP, WITHOUT_RESULT, WITHOUT_CLICK)."""
    rows = _rows(BY_QUERY.format(having=HAVING[kind]), shop, since, most)
    return [
        QueryRow(
            query,
            float(searches),
            float(clicked or 0),
            float(bought or 0),
            float(revenue),
            None if position is None else float(position),
            total,
        )
        for query, searches, clicked, bought, revenue, position, total in rows
    ]


def reformulations(shop: Shop, since: datetime, most: int = 50) -> list[tuple[str, str, float]]:
    """(query without a click, the next query of the same session, times), most frequent first."""
    return [(one, two, float(times)) for one, two, times in _rows(INSTEAD, shop, since, most)]


def click_positions(shop: Shop, since: datetime) -> list[tuple[int, float]]:
    """(position of the first click, searches), by position up to 20."""
    return [(position, float(count)) for position, count in _rows(POSITIONS, shop, since)]


def _rows(sql: str, shop: Shop, since: datetime, most: int = 50) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"shop": shop.pk, "since": since, "most": most})
        return cursor.fetchall()
