"""Shoppers and what is known of them."""

from collections.abc import Iterable
from typing import Any

from django.db import connection, transaction

from recommender.ingest.fields import FieldError, Parser
from recommender.ingest.report import Report, RowError
from recommender.ingest.staging import stage
from recommender.models import Shop

COLUMNS = {"attributes": "jsonb", "first_seen": "timestamptz", "consent_personalisation": "boolean", "consent_training": "boolean"}
DEFAULTS = {"attributes": "'{}'", "consent_personalisation": "true", "consent_training": "true"}


def _value(parser: Parser, name: str, value: Any) -> Any:
    if name == "attributes":
        return parser.mapping(name, value) or {}
    if name == "first_seen":
        return parser.moment(name, value)
    return parser.boolean(name, value)


def upsert_shoppers(shop: Shop, rows: Iterable[tuple[int, dict[str, Any]]], columns: Iterable[str], parser: Parser, dry_run: bool = False) -> Report:
    """Insert or update shoppers; columns that are not named stay as they are."""
    columns = [name for name in COLUMNS if name in set(columns)]
    report = Report()

    def checked():
        for line, row in rows:
            try:
                values = [_value(parser, name, row.get(name)) for name in columns]
                yield (line, parser.required_id("user_id", row.get("user_id")), *values)
            except FieldError as error:
                report.errors.append(RowError(line, error.field, error.message))

    with transaction.atomic(), connection.cursor() as cursor:
        stage(cursor, "staged_shopper", {"line": "int", "user_id": "text", **{name: COLUMNS[name] for name in columns}}, checked())
        cursor.execute("SELECT count(DISTINCT user_id) FROM staged_shopper")
        staged = cursor.fetchone()[0]
        cursor.execute(_upsert_sql(columns), [shop.pk] * (1 + sum(name.startswith("consent_") for name in columns)))
        report.new, report.changed = cursor.fetchone()
        report.same = staged - report.new - report.changed
        if dry_run:
            transaction.set_rollback(True)
    return report


def _or_default(name: str) -> str:
    """A consent that is left blank changes nothing: what was said before holds, else yes."""
    if not name.startswith("consent_"):
        return name
    return f"COALESCE({name}, (SELECT o.{name} FROM recommender_shopper o WHERE o.shop_id = %s AND o.user_id = latest.user_id), true)"


def _upsert_sql(columns: list[str]) -> str:
    absent = {name: value for name, value in DEFAULTS.items() if name not in columns}
    names = ", ".join(["shop_id", "user_id", *columns, *absent])
    values = ", ".join(["%s", "user_id", *(_or_default(name) for name in columns), *absent.values()])
    updates = ", ".join([*(f"{name} = EXCLUDED.{name}" for name in columns), "updated_at = now()"])
    old = ", ".join(f"s.{name}" for name in columns) or "1"
    new = ", ".join(f"EXCLUDED.{name}" for name in columns) or "1"
    return f"""
        WITH latest AS (SELECT DISTINCT ON (user_id) * FROM staged_shopper ORDER BY user_id, line DESC),
        written AS (
            INSERT INTO recommender_shopper AS s ({names}) SELECT {values} FROM latest
            ON CONFLICT (shop_id, user_id) DO UPDATE SET {updates} WHERE ({old}) IS DISTINCT FROM ({new})
            RETURNING (xmax = 0) AS inserted)
        SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted) FROM written"""
