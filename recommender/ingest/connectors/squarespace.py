"""Squarespace: product exports."""

from collections.abc import Iterator
from typing import Any

from recommender.ingest.connectors.catalogs import Catalog, catalog, with_option_names
from recommender.ingest.connectors.core import Reading, Row, Signature, Table, rows_of
from recommender.ingest.connectors.joins import blocks
from recommender.ingest.connectors.values import (
    flag,
    options,
    parts,
    word,
)


def _is_squarespace_product(row: Row) -> bool:
    return row["Title"] is not None or row["Product ID [Non Editable]"] is not None


def _squarespace_blocks(reading: Reading, tables: dict[str, list[Table]]) -> Iterator[list[Row]]:
    return blocks(rows_of(tables), _is_squarespace_product)


def _squarespace_sale(row: Row) -> Any:
    return row["Sale Price"] if word(row, "On Sale") in ("yes", "true", "1") else None


def _squarespace_stock(row: Row) -> Any:
    return None if word(row, "Stock") == "unlimited" else row["Stock"]


def _squarespace_url(row: Row) -> str | None:
    """The address below the shop's own; the export has the last part alone."""
    name = row["Product URL"]
    if not name or str(name).startswith("http"):
        return name
    return "/" + "/".join(filter(None, [row["Product Page"], str(name)]))


OPTION_NAMES = [f"Option Name {n}" for n in range(1, 7)]
SQUARESPACE_SOLD = {"price": "Price", "sale_price": _squarespace_sale}
SQUARESPACE = catalog(
    "squarespace_products",
    "Squarespace products",
    Signature(("product id [non editable]", "variant id [non editable]", "title")),
    Catalog(
        _squarespace_blocks,
        {
            "item_id": ("Product ID [Non Editable]", "SKU", "Product URL"),
            "title": "Title",
            "description": "Description",
            "categories": lambda row: [
                one.strip("/").replace("/", " > ") for one in parts(row["Categories"])
            ],
            "tags": lambda row: parts(row["Tags"]),
            "images": lambda row: str(row["Hosted Image URLs"] or "").split(),
            "published": lambda row: flag(row, "Visible"),
            "url": _squarespace_url,
            **SQUARESPACE_SOLD,
        },
        {
            "id": "Variant ID [Non Editable]",
            "sku": "SKU",
            "options": options((f"Option Name {n}", f"Option Value {n}") for n in range(1, 7)),
            "stock_quantity": _squarespace_stock,
            **SQUARESPACE_SOLD,
        },
        is_product=_is_squarespace_product,
        check=lambda reading, product, rows: with_option_names(product, rows, OPTION_NAMES),
    ),
)


FORMATS = (SQUARESPACE,)
