"""Reviews by REST: idempotent, each row with the fields that it names."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from django.db import transaction

from recommender.infrastructure import task_queue
from recommender.ingest.labeled_texts import KINDS, column_value, without_erased
from recommender.ingest.owners import erased_among
from recommender.ingest.parsing import Parser
from recommender.ingest.report import Report, RowError
from recommender.ingest.upsert import upsert_parts
from recommender.models import Shop

FIELDS = ("review_id", *(name for name in KINDS["reviews"].table.columns if name != "split"))
"""Fields of a review that REST takes."""


def post_reviews(shop: Shop, reviews: Iterable[Any], parser: Parser) -> Report:
    """Insert or update reviews; errors carry the position of the row. Their opinions are judged by
    a worker.
    """
    errors: list[RowError] = []
    rows = [
        (i, row) for i, row in _read(enumerate(reviews), errors) if _is_complete(i, row, errors)
    ]
    named = {row["user_id"] for _, row in rows if isinstance(row.get("user_id"), str)}
    rows = list(without_erased(rows, erased_among(shop, named), parser))
    kind = KINDS["reviews"]
    with transaction.atomic():
        report = upsert_parts(kind.table, shop, rows, parser, partial(column_value, kind))
        if report.new or report.changed:
            task_queue.enqueue("judge_reviews", shop.pk)
    report.errors += errors
    return report


def _read(
    rows: Iterable[tuple[int, Any]], errors: list[RowError]
) -> Iterator[tuple[int, dict[str, Any]]]:
    for i, row in rows:
        if not isinstance(row, dict):
            errors.append(RowError(i, "review", "must be an object"))
        elif unknown := sorted(row.keys() - set(FIELDS)):
            errors.append(RowError(i, unknown[0], "is not a field of a review"))
        else:
            yield i, row


def _is_complete(i: int, row: dict[str, Any], errors: list[RowError]) -> bool:
    """A review needs its text in every call, so that none is stored without one."""
    missing = [name for name in ("review_id", "text") if row.get(name) in (None, "")]
    if missing:
        errors.append(RowError(i, missing[0], "is required"))
    return not missing
