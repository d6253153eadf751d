"""Products into the catalogue: one upsert for a file, a batch or a single PUT."""

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from recommender.ingest.fields import FieldError, Parser
from recommender.ingest.report import Report, RowError
from recommender.ingest.staging import stage
from recommender.models import Change, Shop

COLUMNS = {
    "title": "text", "description": "text", "brand": "text", "categories": "text[]", "price": "numeric(14,4)",
    "attributes": "jsonb", "images": "text[]", "stock_state": "text", "stock_quantity": "int",
    "available_from": "timestamptz", "available_until": "timestamptz", "hidden": "boolean", "margin_rate": "float8", "locale": "text",
}  # fmt: skip
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


def product_values(parser: Parser, row: dict[str, Any], columns: list[str]) -> tuple:
    """(item_id, *columns) of one row, checked. Raises FieldError."""
    return (parser.required_id("item_id", row.get("item_id")), *(_value(parser, name, row.get(name)) for name in columns))


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


def upsert_products(shop: Shop, rows: Iterable[tuple[int, dict[str, Any]]], columns: Iterable[str], parser: Parser, dry_run: bool = False) -> Report:
    """Insert or update products; columns that are not named stay as they are. A later row of the same id wins."""
    columns = [name for name in COLUMNS if name in set(columns)]
    report = Report()

    def checked():
        for line, row in rows:
            try:
                yield (line, *product_values(parser, row, columns))
            except FieldError as error:
                report.errors.append(RowError(line, error.field, error.message))

    with transaction.atomic(), connection.cursor() as cursor:
        stage(cursor, "staged_product", {"line": "int", "item_id": "text", **{name: COLUMNS[name] for name in columns}}, checked())
        cursor.execute("SELECT count(*) FROM staged_product")
        staged = cursor.fetchone()[0]
        cursor.execute(_upsert_sql(columns), [shop.pk])
        report.new, report.changed = cursor.fetchone()
        report.same = staged - report.new - report.changed
        if report.new or report.changed:
            Change.objects.create(shop=shop, kind=Change.PRODUCT)
        if dry_run:
            transaction.set_rollback(True)
    return report


def _upsert_sql(columns: list[str]) -> str:
    defaults = {
        "title": "''",
        "description": "''",
        "brand": "''",
        "categories": "'{}'",
        "attributes": "'{}'",
        "images": "'{}'",
        "stock_state": "''",
        "locale": "''",
        "hidden": "false",
    }
    absent = {name: value for name, value in defaults.items() if name not in columns}
    names = ", ".join(["shop_id", "item_id", *columns, *absent])
    values = ", ".join(["%s", "item_id", *columns, *absent.values()])
    updates = ", ".join([*(f"{name} = EXCLUDED.{name}" for name in columns), "updated_at = now()"])
    old = ", ".join(f"p.{name}" for name in columns) or "1"
    new = ", ".join(f"EXCLUDED.{name}" for name in columns) or "1"
    return f"""
        WITH latest AS (SELECT DISTINCT ON (item_id) * FROM staged_product ORDER BY item_id, line DESC),
        written AS (
            INSERT INTO recommender_product AS p ({names}) SELECT {values} FROM latest
            ON CONFLICT (shop_id, item_id) DO UPDATE SET {updates} WHERE ({old}) IS DISTINCT FROM ({new})
            RETURNING (xmax = 0) AS inserted)
        SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM written"""
