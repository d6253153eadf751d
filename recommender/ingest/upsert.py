"""Upsert: rows are staged by COPY; one statement tells new, changed and unchanged apart."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction

from recommender.catalog import product_names
from recommender.ingest.files import check_whole
from recommender.ingest.parsing import FieldError, Parser
from recommender.ingest.report import Report, RowError
from recommender.ingest.staging import stage
from recommender.models import Shop

NAMED = 1000
"""Most written rows whose ids are reported."""


@dataclass(frozen=True)
class Table:
    """One table of ingest.

    key: the column of the shop's own id
    columns: name: SQL type, of all that may be given
    defaults: name: SQL expression, for new rows whose column was not given and may not be null
    blank_keeps: columns in which a blank keeps the stored value
    """

    name: str
    key: str
    columns: dict[str, str]
    defaults: dict[str, str]
    blank_keeps: frozenset[str] = frozenset()


def upsert(
    table: Table,
    shop: Shop,
    rows: Iterable[tuple[int, dict[str, Any]]],
    columns: Iterable[str],
    parser: Parser,
    value: Callable[[Parser, str, Any], Any],
    dry_run: bool = False,
) -> Report:
    """Insert or update; columns that are not named stay unchanged.

    Of several rows with one id the last one counts.
    """
    columns = [name for name in table.columns if name in set(columns)]
    report = Report()

    def checked():
        for line, row in rows:
            try:
                check_whole(row)
                yield (
                    line,
                    parser.required_id(table.key, row.get(table.key)),
                    *(value(parser, name, row.get(name)) for name in columns),
                )
            except FieldError as error:
                report.errors.append(RowError(line, error.field, error.message))

    with transaction.atomic(), connection.cursor() as cursor:
        stage(
            cursor,
            "staged_row",
            {"line": "int", table.key: "text", **{name: table.columns[name] for name in columns}},
            checked(),
        )
        _resolve_products(cursor, shop, table, columns)
        cursor.execute(f"SELECT count(DISTINCT {table.key}) FROM staged_row")
        staged = cursor.fetchone()[0]
        cursor.execute(_sql(table, columns), {"shop": shop.pk})
        report.new, report.changed, report.written = cursor.fetchone()
        report.same = staged - report.new - report.changed
        report.written = report.written if len(report.written) <= NAMED else None
        if dry_run:
            transaction.set_rollback(True)
    return report


def upsert_parts(
    table: Table,
    shop: Shop,
    rows: Iterable[tuple[int, dict[str, Any]]],
    parser: Parser,
    value: Callable[[Parser, str, Any], Any],
) -> Report:
    """Insert or update rows that each name their own columns; the others stay unchanged.

    Of several rows with one id, the parts are put together, and the last one counts. The stored
    rows are locked first, in one order, so that concurrent calls keep each other's columns.
    """
    report, merged, lines = Report(), {}, {}
    for line, row in rows:
        try:
            key = parser.required_id(table.key, row.get(table.key))
            parsed = {n: value(parser, n, row[n]) for n in table.columns if n in row}
        except FieldError as error:
            report.errors.append(RowError(line, error.field, error.message))
            continue
        merged[key], lines[key] = merged.get(key, {}) | parsed, line
    columns = [name for name in table.columns if any(name in row for row in merged.values())]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            f"SELECT 1 FROM {table.name} WHERE shop_id = %s AND {table.key} = ANY(%s) "
            "ORDER BY id FOR UPDATE",
            [shop.pk, list(merged)],
        )
        kinds = {name: table.columns[name] for name in columns}
        stage(
            cursor,
            "staged_row",
            {"line": "int", table.key: "text", "given": "text[]", **kinds},
            (
                (lines[key], key, list(row), *(row.get(name) for name in columns))
                for key, row in sorted(merged.items())
            ),
        )
        _resolve_products(cursor, shop, table, columns)
        cursor.execute(_sql(table, columns, parts=True), {"shop": shop.pk})
        report.new, report.changed, report.written = cursor.fetchone()
        report.same = len(merged) - report.new - report.changed
    return report


def _resolve_products(cursor, shop: Shop, table: Table, columns: list[str]) -> None:
    """Assign rows that refer to a product by another id, such as an SKU, to it."""
    if table.key != "item_id" and "item_id" in columns:
        product_names.resolve_staged(cursor, shop, "staged_row")


def _sql(table: Table, columns: list[str], parts: bool = False) -> str:
    key = table.key
    absent = {name: default for name, default in table.defaults.items() if name not in columns}
    if parts:
        given = [_if_given(table, name) for name in columns]
    else:
        given = [_or_stored(table, name) if name in table.blank_keeps else name for name in columns]
    names = ", ".join(["shop_id", key, *columns, *absent])
    values = ", ".join(["%(shop)s", key, *given, *absent.values()])
    updates = ", ".join([*(f"{name} = EXCLUDED.{name}" for name in columns), "updated_at = now()"])
    old = ", ".join(f"t.{name}" for name in columns) or "1"
    new = ", ".join(f"EXCLUDED.{name}" for name in columns) or "1"
    return f"""
        WITH latest AS (SELECT DISTINCT ON ({key}) * FROM staged_row ORDER BY {key}, line DESC),
        written AS (
            INSERT INTO {table.name} AS t ({names}) SELECT {values} FROM latest
            ON CONFLICT (shop_id, {key}) DO UPDATE SET {updates} WHERE ({old}) IS DISTINCT
                FROM ({new})
            RETURNING t.{key} AS id, (xmax = 0) AS inserted)
        SELECT count(*) FILTER (WHERE inserted), count(*) FILTER (WHERE NOT inserted),
            ARRAY(SELECT id FROM written LIMIT {NAMED + 1}) FROM written"""


def _if_given(table: Table, name: str) -> str:
    """The value of a row that names the column, else the stored one, else the default."""
    kept = _or_stored(table, name)
    if name in table.blank_keeps:
        return kept
    stored = kept.replace(f"COALESCE({name}, ", "COALESCE(", 1)
    return f"CASE WHEN '{name}' = ANY(given) THEN {name} ELSE {stored} END"


def _or_stored(table: Table, name: str) -> str:
    before = (
        f"SELECT o.{name} FROM {table.name} o WHERE o.shop_id = %(shop)s AND o.{table.key} = "
        f"latest.{table.key}"
    )
    return f"COALESCE({name}, ({before}), {table.defaults.get(name, 'NULL')})"
