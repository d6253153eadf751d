"""Import of articles: help pages that answers of the service desk quote."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from recommender.infrastructure import task_queue
from recommender.ingest.parsing import FieldError, Parser
from recommender.ingest.report import Report, RowError
from recommender.ingest.upsert import Table, upsert, upsert_parts
from recommender.models import Passage, Shop

TABLE = Table(
    "recommender_article",
    "article_id",
    {"title": "text", "text": "text", "url": "text", "language": "text"},
    {"url": "''", "language": "''", "created_at": "now()"},
)
FIELDS = (TABLE.key, *TABLE.columns)
LONGEST = {"title": 300, "text": 200_000, "url": 500, "language": 8}
REQUIRED = ("title", "text")


def upsert_articles(
    shop: Shop,
    rows: Iterable[tuple[int, dict[str, Any]]],
    columns: Iterable[str],
    parser: Parser,
    dry_run: bool = False,
) -> Report:
    """Insert or update articles of a file. Idempotent."""
    columns = {*columns, *REQUIRED}
    with transaction.atomic():
        report = upsert(TABLE, shop, rows, columns, parser, _value, dry_run)
        if not dry_run:
            _update_passages(shop, report)
    return report


def post_articles(shop: Shop, articles: Iterable[Any], parser: Parser) -> Report:
    """Insert or update articles, each with the fields that it names; errors carry the position of
    the row.
    """
    errors: list[RowError] = []
    rows = []
    for i, row in enumerate(articles):
        if not isinstance(row, dict):
            errors.append(RowError(i, "article", "must be an object"))
        elif unknown := sorted(row.keys() - set(FIELDS)):
            errors.append(RowError(i, unknown[0], "is not a field of an article"))
        elif missing := [name for name in (TABLE.key, *REQUIRED) if row.get(name) in (None, "")]:
            errors.append(RowError(i, missing[0], "is required"))
        else:
            rows.append((i, row))
    with transaction.atomic():
        report = upsert_parts(TABLE, shop, rows, parser, _value)
        _update_passages(shop, report)
    report.errors += errors
    return report


def _update_passages(shop: Shop, report: Report) -> None:
    if report.new or report.changed:
        task_queue.enqueue("update_passages", shop.pk, Passage.ARTICLE)


def _value(parser: Parser, name: str, given: Any) -> Any:
    text = parser.text(name, given, LONGEST[name])
    if name in REQUIRED and (text is None or not text.strip()):
        raise FieldError(name, "is required")
    if name == "url" and text and not text.startswith(("https://", "http://")):
        raise FieldError(name, "must be an address that begins with https://")
    return text or ""
