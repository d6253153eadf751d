"""Eligibility: which products may be shown, as columns of the product index and as SQL."""

import io
import json
from collections.abc import Collection, Iterable
from datetime import datetime

import polars as pl
from django.db import connection

from recommender.catalog.filter_language import ATTRIBUTES, Selection, attribute_values, numbers_of
from recommender.infrastructure.prepared_statements import Prepared

MOMENT = pl.Datetime("us", "UTC")
COLUMNS = {
    "item_id": ("item_id", pl.String),
    "title": ("title", pl.String),
    "brand": ("brand", pl.String),
    "locale": ("locale", pl.String),
    "stock.state": ("stock_state", pl.String),
    "stock.quantity": ("stock_quantity", pl.Int64),
    "price": ("price", pl.Float64),
    "margin_rate": ("margin_rate", pl.Float64),
    "categories": ("array_to_json(categories)", pl.String),
    "attributes": ("attributes", pl.String),
    "available_from": ("(extract(epoch FROM available_from) * 1e6)::bigint", pl.Int64),
    "available_until": ("(extract(epoch FROM available_until) * 1e6)::bigint", pl.Int64),
    "since": ("(extract(epoch FROM coalesce(available_from, created_at)) * 1e6)::bigint", pl.Int64),
    "hidden": ("hidden::int", pl.Int8),
    "edition": ("xmin::text::bigint", pl.Int64),
}
"""Column: (SQL, how it comes)."""
SHOWABLE = (
    (pl.col("hidden") == 0)
    & (pl.col("stock.state").fill_null("") != "out_of_stock")
    & (pl.col("stock.quantity").is_null() | (pl.col("stock.quantity") > 0))
    & (pl.col("available_from").is_null() | (pl.col("available_from") <= pl.col("now")))
    & (pl.col("available_until").is_null() | (pl.col("available_until") > pl.col("now")))
)
"""The same as ProductQuerySet.showable."""
EDITIONS = Prepared(
    "editions",
    ("bigint", "text[]"),
    """
    SELECT item_id, title, xmin::text::bigint FROM recommender_product
    WHERE shop_id = $1 AND item_id = ANY($2) AND (available_from IS NULL
        OR available_from <= statement_timestamp())
        AND (available_until IS NULL OR available_until > statement_timestamp())""",
)
"""Of these products those whose days have come and not passed, with their row's edition."""


def read_products(shop_id: int, item_ids: Collection[str] | None = None) -> pl.DataFrame:
    """A shop's products (or these of them), one a row, as they are in the database now.

    Empty texts are null.
    """
    names = ", ".join(f'{sql} AS "{name}"' for name, (sql, _) in COLUMNS.items())
    chosen = " AND item_id = ANY(%s)" if item_ids is not None else ""
    with connection.cursor() as cursor:
        values = [shop_id, list(item_ids)] if item_ids is not None else [shop_id]
        query = cursor.mogrify(
            f"SELECT {names} FROM recommender_product WHERE shop_id = %s{chosen}", values
        ).decode()
        rows = io.BytesIO()
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT csv)", rows)
    schema = {name: kind for name, (_, kind) in COLUMNS.items()}
    if not rows.tell():
        frame = pl.DataFrame(schema=schema)
    else:
        frame = pl.read_csv(rows.getvalue(), has_header=False, schema=schema)
    moments = [pl.col(name).cast(MOMENT) for name in ("available_from", "available_until", "since")]
    return frame.with_columns(pl.col(pl.String).replace("", None), *moments).with_columns(
        pl.col("categories").str.json_decode(pl.List(pl.String))
    )


def with_attributes(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """The frame with two columns for each attribute that it lacks: its texts and its numbers,
    lists both.
    """
    missing = [name for name in names if ATTRIBUTES + name not in frame.columns]
    if not missing:
        return frame
    told = [json.loads(text) if text and text != "{}" else {} for text in frame["attributes"]]
    columns = []
    for name in missing:
        values = [
            attribute_values(row[name]) if row.get(name) is not None else ([], []) for row in told
        ]
        column = ATTRIBUTES + name
        columns.append(pl.Series(column, [texts for texts, _ in values], pl.List(pl.String)))
        columns.append(
            pl.Series(numbers_of(column), [numbers for _, numbers in values], pl.List(pl.Float64))
        )
    return frame.with_columns(columns)


def allowed(frame: pl.DataFrame, selection: Selection, now: datetime) -> pl.Series:
    """(rows,) bool: may the product be shown now, and does the selection let it through?"""
    frame = with_attributes(frame, selection.attributes)
    moment = pl.lit(now, MOMENT)
    aged = frame.lazy().with_columns(
        now=moment, age=(moment - pl.col("since")).dt.total_seconds() / 86400
    )
    return aged.select(ok=SHOWABLE & selection.expression).collect()["ok"].fill_null(False)
