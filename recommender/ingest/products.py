"""Products into the catalogue: one upsert for a file, a batch or a single PUT."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from recommender.infrastructure import task_queue
from recommender.ingest.parsing import FieldError, Parser
from recommender.ingest.report import Report
from recommender.ingest.upsert import Table, upsert
from recommender.models import Change, Shop

COLUMNS = {
    "title": "text",
    "description": "text",
    "brand": "text",
    "categories": "text[]",
    "price": "numeric(14,4)",
    "attributes": "jsonb",
    "images": "text[]",
    "stock_state": "text",
    "stock_quantity": "int",
    "available_from": "timestamptz",
    "available_until": "timestamptz",
    "hidden": "boolean",
    "margin_rate": "float8",
    "locale": "text",
}
TEXTS = frozenset({"title", "description", "brand", "categories"})
EMPTY = {
    "title": "",
    "description": "",
    "brand": "",
    "categories": [],
    "attributes": {},
    "images": [],
    "stock_state": "",
    "hidden": False,
    "locale": "",
}
TABLE = Table(
    "recommender_product",
    "item_id",
    COLUMNS,
    {
        "title": "''",
        "description": "''",
        "brand": "''",
        "categories": "'{}'",
        "attributes": "'{}'",
        "images": "'{}'",
        "stock_state": "''",
        "locale": "''",
        "hidden": "false",
    },
)


def _value(parser: Parser, name: str, value: Any) -> Any:
    if name in ("categories", "images"):
        parsed = parser.texts(name, value)
    elif name == "price":
        parsed = parser.money(name, value)
        if parsed is not None and not 0 <= parsed < 9_999_999_999:
            raise FieldError(name, "must be between 0 and 10,000,000,000")
    elif name == "attributes":
        parsed = parser.mapping(name, value)
    elif name == "hidden":
        parsed = parser.boolean(name, value)
    elif name.startswith("available_"):
        parsed = parser.moment(name, value)
    elif name == "stock_quantity":
        parsed = parser.number(name, value)
        if parsed is not None and (parsed != int(parsed) or abs(parsed) > 2**31 - 1):
            raise FieldError(name, "must be a whole number")
        parsed = None if parsed is None else int(parsed)
    elif name == "margin_rate":
        parsed = parser.number(name, value)
        if parsed is not None and not -10 <= parsed <= 1:
            raise FieldError(name, "must be a share of the price, at most 1")
    elif name == "locale":
        parsed = parser.text(name, value, 35)
    elif name == "stock_state":
        parsed = parser.text(name, value)
        if parsed not in (None, "in_stock", "out_of_stock"):
            raise FieldError(name, "must be in_stock or out_of_stock")
    else:
        parsed = parser.text(name, value)
    return EMPTY.get(name) if parsed is None else parsed


def upsert_products(
    shop: Shop,
    rows: Iterable[tuple[int, dict[str, Any]]],
    columns: Iterable[str],
    parser: Parser,
    dry_run: bool = False,
) -> Report:
    """Insert or update products; columns that are not named stay as they are.

    A later row of the same id wins.
    """
    columns = list(columns)
    with transaction.atomic():
        report = upsert(TABLE, shop, rows, columns, parser, _value, dry_run)
        if (report.new or report.changed) and not dry_run:
            Change.objects.tell_products(shop, report.written)
            if TEXTS & set(columns):
                task_queue.enqueue("embed_products", shop.pk, report.written)
    return report
