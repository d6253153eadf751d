"""Import of products: one upsert for a file, a batch or a single PUT."""

from collections.abc import Collection, Iterable
from functools import partial
from typing import Any

from django.db import transaction

from recommender.catalog.product_fields import BY_COLUMN, FIELDS, TEXT_FIELDS
from recommender.infrastructure import task_queue
from recommender.ingest.attributes import check_attributes, declared_types
from recommender.ingest.parsing import FieldError, Parser
from recommender.ingest.report import Report
from recommender.ingest.upsert import Table, upsert, upsert_parts
from recommender.ingest.variants import DERIVED, with_derived
from recommender.models import Change, Shop

COLUMNS = {field.column: field.kind.sql for field in FIELDS}
TABLE = Table(
    "recommender_product",
    "item_id",
    COLUMNS,
    {field.column: field.kind.empty_sql for field in FIELDS if field.kind.empty_sql},
)


def upsert_parts_of_products(
    shop: Shop, rows: Iterable[tuple[int, dict[str, Any]]], parser: Parser
) -> Report:
    """Insert or update products that each name their own columns; the others stay unchanged."""
    rows = [(n, with_derived(parser, row) if row.get("variants") else row) for n, row in rows]
    given = {name for _, row in rows for name in row}
    declared = declared_types(shop) if "attributes" in given else {}
    with transaction.atomic():
        report = upsert_parts(TABLE, shop, rows, parser, partial(_value, declared))
        _tell(shop, report, given)
    return report


def _tell(shop: Shop, report: Report, columns: Collection[str]) -> None:
    """Invalidate caches of written products, and queue changed texts for embedding."""
    if report.new or report.changed:
        Change.objects.tell_products(shop, report.written)
        if set(TEXT_FIELDS) & set(columns):
            task_queue.enqueue("embed_products", shop.pk, report.written)


def _value(declared: dict[str, str], parser: Parser, column: str, value: Any) -> Any:
    """A value of an import column as it is stored. Raises FieldError.

    declared: types of the attributes that the shop declared
    """
    field = BY_COLUMN[column]
    limits = (field.longest,) if field.longest else ()
    parsed = getattr(parser, field.kind.parser)(column, value, *limits)
    if parsed is None:
        return field.kind.empty
    if message := field.check(parsed):
        raise FieldError(column, message)
    if column == "attributes" and declared:
        check_attributes(declared, parsed)
    return parsed


def upsert_products(
    shop: Shop,
    rows: Iterable[tuple[int, dict[str, Any]]],
    columns: Iterable[str],
    parser: Parser,
    dry_run: bool = False,
    checked_attributes: Collection[str] | None = None,
) -> Report:
    """Insert or update products; columns that are not named stay unchanged.

    checked_attributes: names whose declared type is checked; None: all

    Of several rows with one id the last one counts. Changed texts are queued for embedding.
    """
    columns = list(columns)
    if "variants" in columns:
        rows = ((line, with_derived(parser, row)) for line, row in rows)
        columns += [name for name in DERIVED if name not in columns]
    declared = declared_types(shop) if "attributes" in columns else {}
    if checked_attributes is not None:
        declared = {n: kind for n, kind in declared.items() if n in checked_attributes}
    with transaction.atomic():
        value = partial(_value, declared)
        report = upsert(TABLE, shop, rows, columns, parser, value, dry_run)
        if not dry_run:
            _tell(shop, report, columns)
    return report
