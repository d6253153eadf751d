"""Product fields: each one declares its type, its place in REST, and how filters compare it.

Import, REST, the product index and the filter language read this table. A new field is a line here,
a column of `models.Product`, and a migration.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl

TEXT, NUMBER, MOMENT, PATHS, FLAG = "text", "number", "date", "categories", "flag"
"""How a filter compares a field."""


@dataclass(frozen=True)
class Kind:
    """A type of field.

    sql: type of the database column
    parser: name of the method of `ingest.parsing.Parser` that checks a value
    empty: stored where the value is missing; None: NULL
    indexed_as: SQL that reads the column for the product index, and the polars type of the result
    """

    sql: str
    parser: str
    empty: Any
    indexed_as: tuple[str, Any]

    @property
    def empty_sql(self) -> str | None:
        """`empty` as an SQL literal; None for NULL."""
        if self.sql == "jsonb":
            return f"'{json.dumps(self.empty)}'"
        literals = {list: "'{}'", str: "''", bool: str(self.empty).lower()}
        return literals.get(type(self.empty))


TEXT_KIND = Kind("text", "text", "", ("{}", pl.String))
PROSE_KIND = Kind("text", "prose", "", ("{}", pl.String))
TEXTS_KIND = Kind("text[]", "texts", [], ("array_to_json({})", pl.String))
VARIANTS_KIND = Kind("jsonb", "variants", (), ("{}", pl.String))
OBJECT_KIND = Kind("jsonb", "mapping", {}, ("{}", pl.String))
STATE_KIND = Kind("text", "availability", "", ("{}", pl.String))
FLAG_KIND = Kind("boolean", "boolean", False, ("{}::int", pl.Int8))
PUBLISHED_KIND = Kind("boolean", "published", True, ("{}::int", pl.Int8))
MONEY_KIND = Kind("numeric(14,4)", "money", None, ("{}", pl.Float64))
INTEGER_KIND = Kind("int", "integer", None, ("{}", pl.Int64))
NUMBER_KIND = Kind("float8", "number", None, ("{}", pl.Float64))
MOMENT_KIND = Kind(
    "timestamptz", "moment", None, ("(extract(epoch FROM {}) * 1e6)::bigint", pl.Int64)
)


def _price(value: Any) -> str | None:
    return None if 0 <= value < 9_999_999_999 else "must be between 0 and 10,000,000,000"


def _address(value: Any) -> str | None:
    return None if value.startswith(("https://", "http://", "/")) else "must be a web address"


def _margin(value: Any) -> str | None:
    return None if -10 <= value <= 1 else "must be a share of the price, at most 1"


def _stock_state(value: Any) -> str | None:
    return None if value in STOCK_STATES else f"must be {' or '.join(STOCK_STATES)}"


STOCK_STATES = ("in_stock", "out_of_stock")


@dataclass(frozen=True)
class ProductField:
    """One field of a product.

    column: name of the database column and of the import column
    rest: its place in REST, such as stock.state; default: the column
    filter: how a filter compares it; None: filters do not know it
    indexed: True where the product index holds it; filtered fields always are
    is_text: True where the encoder reads it
    check: message for a value that is out of range, else None
    longest: number of characters of a text
    """

    column: str
    kind: Kind
    rest: str = ""
    filter: str | None = None
    indexed: bool = False
    is_text: bool = False
    required: bool = False
    check: Callable[[Any], str | None] = lambda value: None
    longest: int | None = None

    @property
    def rest_path(self) -> tuple[str, ...]:
        return tuple((self.rest or self.column).split("."))

    @property
    def name(self) -> str:
        """Its name in filters and in the product index."""
        return (self.rest or self.column).removesuffix(".amount")


FIELDS = (
    ProductField("title", PROSE_KIND, filter=TEXT, is_text=True, required=True),
    ProductField("description", PROSE_KIND, is_text=True),
    ProductField("brand", PROSE_KIND, filter=TEXT, is_text=True),
    ProductField("categories", TEXTS_KIND, filter=PATHS, is_text=True),
    ProductField("price", MONEY_KIND, rest="price.amount", filter=NUMBER, check=_price),
    ProductField("sale_price", MONEY_KIND, rest="sale_price.amount", filter=NUMBER, check=_price),
    ProductField("sale_from", MOMENT_KIND, filter=MOMENT),
    ProductField("sale_until", MOMENT_KIND, filter=MOMENT),
    ProductField(
        "compare_at_price",
        MONEY_KIND,
        rest="compare_at_price.amount",
        filter=NUMBER,
        check=_price,
    ),
    ProductField("attributes", OBJECT_KIND, indexed=True),
    ProductField("tags", TEXTS_KIND, filter=PATHS),
    ProductField("images", TEXTS_KIND),
    ProductField("url", TEXT_KIND, longest=2000, check=_address),
    ProductField("gtin", TEXT_KIND, filter=TEXT, longest=64),
    ProductField("condition", TEXT_KIND, filter=TEXT, longest=64),
    ProductField("variants", VARIANTS_KIND),
    ProductField("other_ids", TEXTS_KIND),
    ProductField("item_group_id", TEXT_KIND, filter=TEXT, longest=256),
    ProductField("stock_state", STATE_KIND, rest="stock.state", filter=TEXT, check=_stock_state),
    ProductField("stock_quantity", INTEGER_KIND, rest="stock.quantity", filter=NUMBER),
    ProductField("available_from", MOMENT_KIND, filter=MOMENT),
    ProductField("available_until", MOMENT_KIND, filter=MOMENT),
    ProductField("published", PUBLISHED_KIND, filter=FLAG),
    ProductField("hidden", FLAG_KIND, filter=FLAG),
    ProductField("margin_rate", NUMBER_KIND, filter=NUMBER, check=_margin),
    ProductField("locale", TEXT_KIND, filter=TEXT, longest=35),
)
"""All fields but the id, in the order of REST."""
BY_COLUMN = {field.column: field for field in FIELDS}
TEXT_FIELDS = ("title", "brand", "categories", "description")
"""Columns of a product's text, in the order in which the encoder reads them."""
FILTER_FIELDS = {
    "item_id": TEXT,
    **{field.name: field.filter for field in FIELDS if field.filter},
    "age": NUMBER,
}
"""Fields of the filter language, in addition to `attributes.NAME`; age in days."""
INDEX_COLUMNS = {
    "item_id": ("item_id", pl.String),
    "pk": ("id", pl.Int64),
    **{
        field.name: (field.kind.indexed_as[0].format(field.column), field.kind.indexed_as[1])
        for field in FIELDS
        if field.filter or field.indexed
    },
    "since": (
        "(extract(epoch FROM coalesce(available_from, created_at)) * 1e6)::bigint",
        pl.Int64,
    ),
    "edition": ("xmin::text::bigint", pl.Int64),
}
"""Columns of the product index: name -> (SQL, polars type as read)."""
LIST_COLUMNS = tuple(f.name for f in FIELDS if f.filter == PATHS)
MOMENT_COLUMNS = (*(f.name for f in FIELDS if f.filter == MOMENT), "since")
"""Columns of the product index that are read as JSON lists, and as microseconds."""
