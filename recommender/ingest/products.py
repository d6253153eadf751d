"""Import of products: one upsert for a file, a batch or a single PUT."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from recommender.catalog.product_fields import BY_COLUMN, FIELDS, TEXT_FIELDS
from recommender.infrastructure import task_queue
from recommender.ingest.parsing import FieldError, Parser
from recommender.ingest.report import Report
from recommender.ingest.upsert import Table, upsert
from recommender.models import Change, Shop

COLUMNS = {field.column: field.kind.sql for field in FIELDS}
TABLE = Table(
    "recommender_product",
    "item_id",
    COLUMNS,
    {field.column: field.kind.empty_sql for field in FIELDS if field.kind.empty_sql},
)


def _value(parser: Parser, column: str, value: Any) -> Any:
    """A value of an import column as it is stored. Raises FieldError."""
    field = BY_COLUMN[column]
    limits = (field.longest,) if field.longest else ()
    parsed = getattr(parser, field.kind.parser)(column, value, *limits)
    if parsed is None:
        return field.kind.empty
    if message := field.check(parsed):
        raise FieldError(column, message)
    return parsed


def upsert_products(
    shop: Shop,
    rows: Iterable[tuple[int, dict[str, Any]]],
    columns: Iterable[str],
    parser: Parser,
    dry_run: bool = False,
) -> Report:
    """Insert or update products; columns that are not named stay unchanged.

    Of several rows with one id the last one counts. Changed texts are queued for embedding.
    """
    columns = list(columns)
    with transaction.atomic():
        report = upsert(TABLE, shop, rows, columns, parser, _value, dry_run)
        if (report.new or report.changed) and not dry_run:
            Change.objects.tell_products(shop, report.written)
            if set(TEXT_FIELDS) & set(columns):
                task_queue.enqueue("embed_products", shop.pk, report.written)
    return report
