"""Eligible products of a shop: read from the database into columns, and selected by filters."""

import io
import json
from collections.abc import Collection, Iterable
from datetime import datetime

import polars as pl
from django.db import connection
from django.utils import timezone

from recommender.catalog.filter_expressions import ATTRIBUTES, attribute_values, numbers_of
from recommender.catalog.filter_language import Selection
from recommender.catalog.product_fields import INDEX_COLUMNS, LIST_COLUMNS, MOMENT_COLUMNS
from recommender.infrastructure.prepared_statements import Prepared
from recommender.models.eligibility import ELIGIBLE_EXPRESSION, PRICE_IN_FORCE, WITHIN_DATES_SQL

MOMENT = pl.Datetime("us", "UTC")
SECONDS_A_DAY = 86_400
EDITIONS = Prepared(
    "editions",
    ("bigint", "text[]"),
    f"""
    SELECT p.item_id, p.title, p.xmin::text::bigint FROM recommender_product p
    WHERE p.shop_id = $1 AND p.item_id = ANY($2) AND {WITHIN_DATES_SQL}""",
)
"""Those of some products that are within their dates: id, title, and the row's edition (xmin)."""


def read_products(shop_id: int, item_ids: Collection[str] | None = None) -> pl.DataFrame:
    """The shop's products (or these of them) as they are in the database now, one per row.

    The price is the one in force now.
    Columns: `product_fields.INDEX_COLUMNS`. Empty texts are null.
    """
    now = timezone.now()
    names = ", ".join(f'{sql} AS "{name}"' for name, (sql, _) in INDEX_COLUMNS.items())
    chosen = " AND item_id = ANY(%s)" if item_ids is not None else ""
    values = [shop_id, list(item_ids)] if item_ids is not None else [shop_id]
    query = f"SELECT {names} FROM recommender_product WHERE shop_id = %s{chosen}"
    with connection.cursor() as cursor:
        rows = io.BytesIO()
        statement = cursor.mogrify(query, values).decode()
        cursor.copy_expert(f"COPY ({statement}) TO STDOUT (FORMAT csv)", rows)
    schema = {name: kind for name, (_, kind) in INDEX_COLUMNS.items()}
    if rows.tell():
        frame = pl.read_csv(rows.getvalue(), has_header=False, schema=schema)
    else:
        frame = pl.DataFrame(schema=schema)
    moments = [pl.col(name).cast(MOMENT) for name in MOMENT_COLUMNS]
    frame = frame.with_columns(pl.col(pl.String).replace("", None), *moments)
    frame = frame.with_columns(now=pl.lit(now, MOMENT)).with_columns(price=PRICE_IN_FORCE)
    return frame.drop("now").with_columns(pl.col(*LIST_COLUMNS).str.json_decode(pl.List(pl.String)))


def with_attributes(frame: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """The frame with two list columns for each of these attributes: its texts and its numbers."""
    known = dict.fromkeys(names)
    missing = [name for name in known if ATTRIBUTES + name not in frame.columns]
    if not missing:
        return frame
    rows = [json.loads(text) if text and text != "{}" else {} for text in frame["attributes"]]
    columns = []
    for name in missing:
        values = [
            attribute_values(row[name]) if row.get(name) is not None else ([], []) for row in rows
        ]
        texts, numbers = [texts for texts, _ in values], [numbers for _, numbers in values]
        column = ATTRIBUTES + name
        columns.append(pl.Series(column, texts, pl.List(pl.String)))
        columns.append(pl.Series(numbers_of(column), numbers, pl.List(pl.Float64)))
    return frame.with_columns(columns)


def allowed(
    frame: pl.DataFrame, selection: Selection, now: datetime, showable: bool | None = True
) -> pl.Series:
    """(rows,) bool: True of products that pass the filters and may be shown now.

    showable: False: those that may not be shown; None: both
    """
    frame = with_attributes(frame, selection.attributes)
    moment = pl.lit(now, MOMENT)
    age = (moment - pl.col("since")).dt.total_seconds() / SECONDS_A_DAY
    aged = frame.lazy().with_columns(now=moment, age=age)
    chosen = selection.expression
    if showable is not None:
        eligible = ELIGIBLE_EXPRESSION.fill_null(False)
        chosen = chosen & (eligible if showable else ~eligible)
    return aged.select(ok=chosen).collect()["ok"].fill_null(False)
