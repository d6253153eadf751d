"""Query sets: queries to evaluate search on, from a file or sampled from the query log."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from django.db import connection
from django.utils import timezone

from recommender.ingest.files import FileError, read_rows
from recommender.ingest.parsing import is_text
from recommender.models import Shop
from recommender.models.search_queries import LONGEST_QUERY

MOST_QUERIES = 5_000
MOST_LINES = 100_000
"""Lines of a file, most of which may be repeated."""
COLUMNS = ("query", "query_text", "normalized")
SAMPLE = """
    SELECT normalized FROM (
        SELECT q.normalized, sum(q.weight) AS searches FROM recommender_searchquery q
        LEFT JOIN recommender_shopper s ON s.id = q.shopper_id
        WHERE q.shop_id = %(shop)s AND q.created_at >= %(since)s AND NOT q.simulated
            AND q.first_position = 1 AND q.normalized <> '' AND coalesce(s.consent_training, true)
        GROUP BY q.normalized) AS counted
    ORDER BY -ln(1 - random()) / searches LIMIT %(size)s"""
"""Sampling without replacement, with probabilities that grow with the number of searches
(Efraimidis and Spirakis 2006).
"""


def sampled_queries(shop: Shop, size: int, days: int) -> list[str]:
    """Queries of the last days, sampled by their frequency, in order of their text; without those
    of shoppers who refuse training.
    """
    since = timezone.now() - timedelta(days=days)
    with connection.cursor() as cursor:
        cursor.execute(SAMPLE, {"shop": shop.pk, "since": since, "size": min(size, MOST_QUERIES)})
        return sorted(row[0] for row in cursor.fetchall())


class QueryError(ValueError):
    """A text is no query; the message says why."""


def query_text(text: str) -> str:
    """The text with single blanks. Raises QueryError."""
    query = " ".join(text.replace("\x00", " ").split())
    if not is_text(query):
        raise QueryError("is not valid Unicode")
    if len(query) > LONGEST_QUERY:
        raise QueryError(f"has more than {LONGEST_QUERY} characters")
    return query


def read_queries(path: Path) -> list[str]:
    """Different queries of a file, in its order: a line each (.txt), or the column query of a
    table. Capitals make no other query. Raises FileError with the line.
    """
    queries = _lines(path) if path.name.endswith(".txt") else _column(path)
    out: dict[str, str] = {}
    for line, text in queries:
        try:
            query = query_text(text)
        except QueryError as error:
            raise FileError(f"line {line}: the query {error}") from None
        if query:
            out.setdefault(query.lower(), query)
        if line > MOST_LINES:
            raise FileError(f"more than {MOST_LINES:,} lines")
        if len(out) > MOST_QUERIES:
            raise FileError(f"more than {MOST_QUERIES:,} queries")
    if not out:
        raise FileError("no query in this file")
    return list(out.values())


def _lines(path: Path) -> Iterable[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            yield from enumerate(file, 1)
    except UnicodeDecodeError as error:
        raise FileError(f"not UTF-8: {error}") from None


def _column(path: Path) -> Iterable[tuple[int, str]]:
    for line, row in read_rows(path):
        name = next((name for name in COLUMNS if name in row), None)
        if name is None:
            raise FileError(f"line {line}: no column named {', '.join(COLUMNS)}")
        if not isinstance(row[name], str | None):
            raise FileError(f"line {line}: {name} is not a text")
        yield line, row[name] or ""
